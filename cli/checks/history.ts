import type { Facts } from "../facts.ts";
import { Findings } from "../finding.ts";
import type { SettledStack } from "../project.ts";
import { sightOf } from "../sight.ts";
import type { Building } from "./builder.ts";

/** How what would be promoted is related to what the host runs. */
export async function checkHistory(
  facts: Facts,
  stack: SettledStack,
  release: Building,
  rev = release.rev,
): Promise<Findings> {
  const found = new Findings(stack.name);
  const runs = sightOf(await facts.state(stack), stack.settings).release?.rev;
  if (runs === undefined) return found;
  const { repository } = await facts.examine(release.builder, {
    repo: release.repo,
    rev,
    since: runs,
  });
  if (repository === null || repository.error !== null || repository.commit === null) return found;
  const { ahead, behind } = repository;
  compare({ rev: rev.slice(0, 40), runs, ahead, behind }, found);
  return found;
}

export function compare(
  {
    rev,
    runs,
    ahead,
    behind,
  }: {
    readonly rev: string;
    readonly runs: string;
    readonly ahead: number | null;
    readonly behind: number | null;
  },
  found: Findings,
): Findings {
  const [next, now] = [/^[0-9a-f]{40}$/.test(rev) ? rev.slice(0, 12) : rev, runs.slice(0, 12)];
  if (ahead === null || behind === null)
    return found.warn(
      "history",
      `the host runs ${now}, which the builder's repository does not have: what of it ${next} lacks is not known`,
      "Fetch that commit to the builder, and look at the difference before you go on.",
    );
  if (behind === 0)
    return found.ok(
      "history",
      ahead === 0
        ? `the host runs ${next} already`
        : `${next} is ${commits(ahead)} ahead of the host's ${now}`,
    );
  return found.warn(
    "history",
    ahead === 0
      ? `${next} is older than what the host runs: ${commits(behind)} of ${now} would go`
      : `the hosts have diverged: ${next} lacks ${commits(behind)} of the host's ${now}, and has ${commits(ahead)} of its own`,
    `Look at them on the builder: git log ${next}..${now}. Merge them if they must stay.`,
  );
}

function commits(count: number): string {
  return `${count} ${count === 1 ? "commit" : "commits"}`;
}
