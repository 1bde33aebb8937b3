import { z } from "zod";
import { otherRelease, unfitness } from "../../contract/fitness.ts";
import { examinable, type Member, type Testimony, testimony } from "../../contract/front.ts";
import { describePlace, type Handover, isFlip, type Side } from "../../contract/handover.ts";
import type { TrafficSettings } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { stackName } from "../taken-release.ts";

/** What the stacks of the hosts have said when they were last up. */
export type Members = Record<string, Member>;

export async function readMembers(
  prefix: string,
  { hosts, stacks }: TrafficSettings,
): Promise<Members> {
  const read = Object.entries(stacks).map(async ([host, stack]) => {
    const said = await testimonyOf(`${prefix}.${host}`, stack);
    return [host, { ...said, target: hosts[host] ?? "" }] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}

/** Who is to get traffic, and who has it, as this stack itself has last proven it. No other stack is asked. */
export async function readSides(prefix: string, settings: TrafficSettings): Promise<Handover> {
  const { active, hosts, stacks } = settings;
  const side = async (name: string, target: string): Promise<Side> => {
    const stack = stacks[name];
    const said = stack === undefined ? {} : { said: await testimonyOf(`${prefix}.${name}`, stack) };
    return { name, target, ...said };
  };
  const to = await side(active, hosts[active] ?? "");
  const last = await lastProven(prefix);
  const target = last?.target ?? hosts[last?.active ?? ""];
  if (last === undefined || target === undefined) return { to };
  if (last.active === active) return { to, from: { name: active, target } };
  return { to, from: await side(last.active, target) };
}

/** Older versions have not said where the active host is. */
const roles = z.object({
  active: z.string().min(1),
  target: z.string().optional().catch(undefined),
});

async function lastProven(prefix: string): Promise<z.infer<typeof roles> | undefined> {
  const name = stackName(pulumi.getStack());
  const reference = new pulumi.StackReference(`${prefix}-last`, { name });
  return roles.safeParse((await reference.getOutputDetails("traffic")).value).data;
}

async function testimonyOf(name: string, stack: string): Promise<Testimony> {
  const reference = new pulumi.StackReference(name, { name: stackName(stack) });
  const outputs = ["release", "healthy", "healthySince", "host", "examinable"].map(
    async (output) => [output, (await reference.getOutputDetails(output)).value] as const,
  );
  return testimonyIn(stack, Object.fromEntries(await Promise.all(outputs)));
}

/** A stack of an older version, or one that has never been up, says less. */
function testimonyIn(stack: string, said: Record<string, unknown>): Testimony {
  const { shape } = testimony;
  const { id, rev, toplevel } = (said["release"] ?? {}) as Record<string, unknown>;
  const { machineId } = (said["host"] ?? {}) as Record<string, unknown>;
  return {
    ...{ stack, healthy: said["healthy"] === true },
    healthySince: shape.healthySince.catch(null).parse(said["healthySince"]),
    release: shape.release.catch(null).parse({ id, rev, toplevel }),
    machineId: shape.machineId.catch(null).parse(machineId),
    examination: examinable.nullable().catch(null).parse(said["examinable"]),
  };
}

/** A flip to a host that is known to be ill is refused. One whose stack is not named is not asked. */
export function requireFit(settings: TrafficSettings, { from, to }: Handover): void {
  if (to.said === undefined || !isFlip({ from, to })) return;
  const { release, minHealthySeconds } = settings;
  const { name, said: member } = to;
  const unfit = unfitness({ name, member, rev: release, minHealthySeconds });
  const objection = unfit ?? (release === undefined ? changeOf(from, { name, member }) : undefined);
  if (objection === undefined) return;
  const where = from === undefined ? "" : `: it goes to ${describePlace(from)}`;
  throw new pulumi.RunError(
    `${objection.because} No traffic was moved${where}. ${objection.advice} To move it all the same, take ${name} out of [traffic.stacks].`,
  );
}

function changeOf(from: Side | undefined, to: { name: string; member: Testimony }) {
  if (from?.said === undefined) return undefined;
  return otherRelease({ name: from.name, member: from.said }, to);
}
