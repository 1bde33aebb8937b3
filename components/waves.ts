import {
  type FleetSettings,
  type Member,
  REST,
  selects,
  type WaveSettings,
} from "../contract/fleet.ts";

const rest: WaveSettings = { name: REST };

export interface PlannedWave {
  readonly name: string;
  readonly hosts: readonly Member[];
  readonly soakSeconds: number;
}

/**
 * Which host goes when: each wave takes, of the hosts that it selects, those that no earlier one has, in the
 * order of their names; who is left is the last wave. One that is left without hosts is left out.
 */
export function planWaves(
  { waves, soakSeconds }: Pick<FleetSettings, "waves" | "soakSeconds">,
  members: Readonly<Record<string, Member>>,
): PlannedWave[] {
  const left = new Map(
    Object.values(members)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((member) => [member.name, member]),
  );
  const planned: PlannedWave[] = [];
  for (const wave of [...waves, rest]) {
    const selected = Object.values(members).filter((member) => selects(wave, member)).length;
    const free = [...left.values()].filter((member) => selects(wave, member));
    const hosts = free.slice(0, sizeOf(wave, selected));
    for (const { name } of hosts) left.delete(name);
    if (hosts.length > 0)
      planned.push({ name: wave.name, hosts, soakSeconds: wave.soakSeconds ?? soakSeconds });
  }
  return planned;
}

function sizeOf({ percent, count }: WaveSettings, selected: number): number {
  if (percent !== undefined) return Math.ceil((selected * percent) / 100);
  return count ?? selected;
}

/** How many hosts may be out at a time, of so many. */
export function mostUnavailable(
  limit: FleetSettings["maxUnavailable"],
  hosts: number,
): number | undefined {
  if (typeof limit !== "string") return limit;
  return Math.max(1, Math.floor((hosts * Number.parseInt(limit, 10)) / 100));
}
