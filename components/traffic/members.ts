import { unfitness } from "../../contract/fitness.ts";
import { examinable, type Member, member } from "../../contract/front.ts";
import type { TrafficSettings } from "../../contract/traffic.ts";
import * as pulumi from "../pulumi.ts";
import { stackName } from "../taken-release.ts";

/** What the stack of a host has said when it was last up. */
export type Members = Record<string, Member>;

/** Of those of the hosts whose stack is named. */
export async function readMembers(
  prefix: string,
  { hosts, stacks }: TrafficSettings,
  names: readonly string[],
): Promise<Members> {
  const named = Object.entries(stacks).filter(([host]) => names.includes(host));
  const read = named.map(async ([host, stack]) => {
    const reference = new pulumi.StackReference(`${prefix}.${host}`, { name: stackName(stack) });
    const outputs = ["release", "healthy", "healthySince", "host", "examinable"].map(
      async (name) => [name, (await reference.getOutputDetails(name)).value] as const,
    );
    const said = Object.fromEntries(await Promise.all(outputs));
    return [host, memberOf(hosts[host] ?? "", stack, said)] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}

/** A stack of an older version, or one that has never been up, says less. */
function memberOf(target: string, stack: string, said: Record<string, unknown>): Member {
  const { shape } = member;
  const { id, rev, toplevel } = (said["release"] ?? {}) as Record<string, unknown>;
  const { machineId } = (said["host"] ?? {}) as Record<string, unknown>;
  return {
    ...{ target, stack, healthy: said["healthy"] === true },
    healthySince: shape.healthySince.catch(null).parse(said["healthySince"]),
    release: shape.release.catch(null).parse({ id, rev, toplevel }),
    machineId: shape.machineId.catch(null).parse(machineId),
    examination: examinable.nullable().catch(null).parse(said["examinable"]),
  };
}

/** A flip to a host that is known to be ill is refused. One whose stack is not named is not asked. */
export function requireFit(settings: TrafficSettings, wanted: Member | undefined): void {
  if (wanted === undefined) return;
  const { active, release, minHealthySeconds } = settings;
  const objection = unfitness({ name: active, member: wanted, rev: release, minHealthySeconds });
  if (objection === undefined) return;
  const { because, advice } = objection;
  throw new pulumi.RunError(
    `${because} No traffic was moved. ${advice} To move it all the same, take ${active} out of [traffic.stacks].`,
  );
}
