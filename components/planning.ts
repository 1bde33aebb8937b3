import { isDeepStrictEqual } from "node:util";
import type { GetPlanInputs, GetWavePlanInputs, Transport } from "../contract/resources.ts";
import { isSettled } from "../contract/settled.ts";
import type { Activation, ActivationArgs, Goods } from "./activation.ts";
import { handOver, isPlanKept } from "./plan-file.ts";
import * as pulumi from "./pulumi.ts";
import { getPlan, getWavePlan, type WavePlanSummary } from "./resources.ts";

/** What a cache that is ill does to a preview. */
export interface How {
  readonly via: string;
  readonly check?: "warn" | "fail" | undefined;
}

type Question = pulumi.Output<GetPlanInputs>;

/** What is to be asked to learn what an activation will do. */
export function questionOf(
  { host, release, health, smoke, mode }: ActivationArgs,
  goods: Goods,
  transport: Transport,
): Question {
  const { rev, subject, builder = host.connection } = release;
  return pulumi.all([goods.toplevel, goods.links]).apply(([toplevel, links]) => ({
    ...{ connection: host.connection, host: host.hostName, mode, rev, subject, builder, transport },
    ...(toplevel === undefined ? {} : { toplevel }),
    ...(links === undefined ? {} : { links }),
    probes: health,
    ...(smoke === undefined ? {} : { smoke }),
  }));
}

/** Says below a host what will be done to it. */
export function showPlan(
  question: Question,
  { release, copy, mode }: Pick<ActivationArgs, "release" | "copy" | "mode">,
  system: pulumi.Resource,
): void {
  question.apply(async (asked) => {
    const plan = await getPlan(asked);
    const { rev, subject, knownId: id } = release;
    handOver(plan, { mode, release: { rev, subject, id } });
    if (!isSettled(plan)) await pulumi.log.info(plan.text, system);
    await judge(plan.copy.problems ?? [], copy, system);
  });
}

/** A wave as a plan tells it, with its hosts as they were if the plan is kept. */
export interface WaveTold extends WavePlanSummary {
  readonly name: string;
  readonly soakSeconds: number;
  /** Hosts that are left alone. */
  readonly held: readonly string[];
}

/** Says below a wave what will be done to its hosts, once for all to which the same will be done. */
export async function showWavePlan(
  activations: Readonly<Record<string, Activation>>,
  copy: How,
  wave: pulumi.Resource,
): Promise<Omit<WaveTold, "name" | "soakSeconds">> {
  const questions = Object.values(activations).flatMap(({ question }) => question ?? []);
  const held = Object.keys(activations).filter((host) => !activations[host]?.question);
  if (questions.length === 0) return { groups: [], settled: [], unseen: [], held };
  const asked = await known(pulumi.all(questions));
  const plan = await getWavePlan({ ...divided(asked), detailed: isPlanKept() });
  for (const { text } of plan.groups) await pulumi.log.info(text, wave);
  for (const { host, message } of plan.unseen)
    await pulumi.log.warn(message, activations[host]?.system ?? wave);
  const problems = plan.groups.flatMap((group) => group.problems);
  await judge([...new Set(problems)], copy, wave);
  return { ...plan, held };
}

function known<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => output.apply((value) => resolve(value as T)));
}

/** What all have in common, and what each has of its own: a thousand hosts have few settings of their own. */
export function divided(
  all: readonly GetPlanInputs[],
): Pick<GetWavePlanInputs, "common" | "hosts"> {
  const lists = all.map((one) => Object.entries(one));
  const common = Object.fromEntries(
    (lists[0] ?? []).filter(([key, value]) =>
      all.every((one) => isDeepStrictEqual(one[key as keyof GetPlanInputs], value)),
    ),
  );
  return {
    common,
    hosts: lists.map((own) => Object.fromEntries(own.filter(([key]) => !(key in common)))),
  };
}

/** What is wrong with the caches. An `up` hears of it from the closure, before that touches anything. */
async function judge(
  problems: readonly string[],
  copy: How,
  about: pulumi.Resource,
): Promise<void> {
  if (problems.length === 0) return;
  if (copy.via === "cache" && copy.check === "fail")
    throw new pulumi.RunError(`${problems.join("\n")}\nNothing was touched: [copy.check] is fail.`);
  for (const problem of problems) await pulumi.log.warn(problem, about);
}
