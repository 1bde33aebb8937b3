import type { Plan } from "./plan.ts";
import { packageText } from "./text.ts";

/** Plans by what they do, in the order of their first host: those of one group tell the same, but for paths and sizes that are each host's own. */
export function groupsOf(plans: readonly Plan[]): [Plan, ...Plan[]][] {
  const groups = new Map<string, [Plan, ...Plan[]]>();
  for (const plan of plans) {
    const key = sameness(plan);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [plan]);
    else group.push(plan);
  }
  return [...groups.values()];
}

/** All that two plans must have in common to be told once. */
function sameness({ host: _host, from, to, packages, copy, ...same }: Plan): string {
  const { paths, bytes, free, sources, ...how } = copy;
  return JSON.stringify({
    ...{ ...same, ...how, changesSystem: from !== to },
    packages: packages.map(packageText),
    sources: sources?.map((source) => [source.from, source.filled]),
    copies: paths > 0,
    // Who has no room for it is told apart.
    free: free !== undefined && free < bytes ? free : undefined,
  });
}
