import { describeConnection } from "../../contract/connection.ts";
import type { Examination } from "../../contract/examination.ts";
import type { Settings } from "../../settings.ts";
import type { Facts } from "../facts.ts";
import { Findings } from "../finding.ts";
import type { SettledStack } from "../project.ts";

export type Building = Extract<Settings["release"], { from: "build" }>;

/** The repository, the revision and the signing key. */
export async function checkBuilder(
  facts: Facts,
  { name }: SettledStack,
  release: Building,
): Promise<Findings> {
  const found = new Findings(name);
  const { repo, rev, signingKeyFile } = release;
  const { repository, signingKey } = await facts.examine(release.builder, {
    ...{ repo, rev, signingKeyFile },
  });
  checkRepository(repository, release, found);
  checkKey(signingKey, release, found);
  return found;
}

export function checkRepository(
  repository: Examination["repository"],
  { repo, rev, builder, requireClean }: Building,
  found: Findings,
): Findings {
  const where = `${repo} on ${describeConnection(builder)}`;
  if (repository === null || repository.error !== null)
    return found.fail(
      "repository",
      `${where} is no git repository: ${repository?.error ?? "no answer"}`,
      "Set [release.repo] to the checkout on the builder.",
    );
  const { commit, subject, dirty, dirtyCount } = repository;
  if (commit === null)
    found.fail(
      "revision",
      `${where} has no revision ${rev}`,
      "Push the commit to the builder, or correct [release.rev].",
    );
  else found.ok("revision", `${rev} is ${commit.slice(0, 12)} ${subject}`);
  if (dirtyCount === 0) return found.ok("repository", `${where}, nothing is uncommitted`);
  const changes = dirtyCount === 1 ? "1 change is" : `${dirtyCount} changes are`;
  const says = `${where} is dirty: ${changes} not committed and so in no release (${dirty.join(", ")}${dirtyCount > dirty.length ? ", …" : ""})`;
  const fix = `Commit or stash what is there: git -C ${repo} status`;
  return requireClean
    ? found.fail("repository", says, `${fix}. (Or set [release.requireClean] to false.)`)
    : found.warn("repository", says, fix);
}

function checkKey(
  key: Examination["signingKey"],
  { signingKeyFile, builder }: Building,
  found: Findings,
): Findings {
  if (signingKeyFile === undefined)
    return found.ok("signing key", "none is set; the builder's own nix.conf may sign");
  const where = `${signingKeyFile} on ${describeConnection(builder)}`;
  if (key === null || key.publicKey === null)
    return found.fail(
      "signing key",
      `${where}: ${key?.error ?? "no answer"}`,
      `Make one there: nix key generate-secret --key-name NAME-1 > ${signingKeyFile}, and let the hosts trust its public half.`,
    );
  if (/[4-7]$/.test(key.mode ?? ""))
    return found.warn(
      "signing key",
      `${where} can be read by everybody on the builder (mode ${key.mode})`,
      `chmod 0400 ${signingKeyFile}`,
    );
  return found.ok("signing key", `${where}: ${key.publicKey.split(":")[0]}`);
}
