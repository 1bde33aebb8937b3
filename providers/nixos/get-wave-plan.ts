import { z } from "zod";
import { describeConnection } from "../../contract/connection.ts";
import {
  type GetPlanInputs,
  type GetWavePlanInputs,
  getPlanInputs,
  getWavePlanInputs,
  type WavePlan,
} from "../../contract/resources.ts";
import { isSettled } from "../../contract/settled.ts";
import { type Planned, planInTurn } from "./get-plan.ts";
import { groupsOf } from "./plan/groups.ts";
import type { Plan } from "./plan/plan.ts";
import { textOfAll } from "./plan/text.ts";
import type { Invocation } from "./resource.ts";
import { SystemFacts } from "./system-facts.ts";

/**
 * What a release will do to the hosts of a wave, told once for all to which it does the same. One question for all of
 * them, so that the program need not hold a thousand plans. A host that cannot be looked at hides nothing of the others.
 */
export const getWavePlan: Invocation<GetWavePlanInputs> = {
  inputs: getWavePlanInputs,
  async call({ common, hosts, detailed }): Promise<WavePlan> {
    const all = hosts.map((own) => getPlanInputs.parse({ ...common, ...own }));
    const facts = new SystemFacts();
    const made = await Promise.all(
      all.map((inputs) => planInTurn(inputs, facts).catch(sentenceOf)),
    );
    const unseen = made.flatMap((message, index) =>
      typeof message === "string" ? [{ host: all[index]?.host ?? "", message }] : [],
    );
    const planned = made.flatMap((one, index) =>
      typeof one === "string" ? [] : [anonymous(one, all[index])],
    );
    const changing = planned.map(({ plan }) => plan).filter((plan) => !isSettled(plan));
    return {
      groups: groupsOf(changing).map((plans) => ({
        hosts: plans.map(({ host }) => host),
        text: textOfAll(plans),
        problems: plans[0].copy.problems ?? [],
        ...(detailed ? { change: changeOf(plans[0]) } : {}),
      })),
      settled: planned.filter(({ plan }) => isSettled(plan)).map(({ plan }) => plan.host),
      unseen,
      ...(detailed ? { machines: planned.map(machineOf) } : {}),
    };
  },
};

function sentenceOf(error: unknown): string {
  if (error instanceof z.ZodError) throw error;
  return error instanceof Error ? error.message : String(error);
}

/** What is wrong with a cache is as wrong for the next host. */
function anonymous({ plan, machine }: Planned, inputs: GetPlanInputs | undefined): Planned {
  const { problems } = plan.copy;
  if (problems === undefined || inputs === undefined) return { plan, machine };
  const host = describeConnection(inputs.connection);
  const said = problems.map((problem) => problem.replaceAll(host, "the host"));
  return { plan: { ...plan, copy: { ...plan.copy, problems: said } }, machine };
}

/** What is free there is other at each look, so that two plans would never be the same. */
function changeOf({ copy: { free: _free, ...copy }, ...change }: Plan): object {
  return { ...change, copy };
}

function machineOf({ machine, plan }: Planned): NonNullable<WavePlan["machines"]>[number] {
  const { paths, bytes } = plan.copy;
  return { ...machine, to: plan.to, copy: { paths, bytes } };
}
