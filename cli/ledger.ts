import { describeConnection } from "../contract/connection.ts";
import { describeOperator } from "../contract/job-record.ts";
import { type History, history, type LedgerRecord } from "../contract/ledger.ts";
import { connectionOf } from "../contract/ways-to-host.ts";
import { call } from "../providers/executors/executor.ts";
import { executorFor } from "../providers/executors/index.ts";
import { EXIT, Stop, UsageError } from "./exit-code.ts";
import type { SettledStack } from "./project.ts";
import { within } from "./within.ts";

const ASK_SECONDS = 30;

/** A release that a host has committed. */
export interface Past {
  /** 0 is what was committed last, 1 the one before it. */
  readonly back: number;
  readonly id: string;
  readonly at: number;
  readonly toplevel: string;
  readonly rev: string;
  readonly subject: string;
  /** Is its system still in the host's store? Null: not known. */
  readonly valid: boolean | null;
  /** Has the host kept its manifest? */
  readonly manifest: boolean;
}

/** The newest records of a stack's host, and of one system the manifest. */
export function readLedger(
  { settings }: SettledStack,
  question: { readonly limit?: number; readonly toplevel?: string } = {},
): Promise<History> {
  const connection = connectionOf(settings.host);
  const answer = call(executorFor(connection), "history", { limit: 200, ...question }, history, {
    timeoutSeconds: ASK_SECONDS,
    endsWithUs: true,
  });
  return within(ASK_SECONDS, describeConnection(connection), answer);
}

/** The releases that a host has committed, the newest first, each once. */
export function pastOf({ records, releases }: History): Past[] {
  const known = new Map(releases.map((release) => [release.toplevel, release]));
  const past = new Map<string, Past>();
  for (const record of records) {
    const { toplevel, release, id, at } = record;
    // Two releases may have one system, where they differ in links, or in what this host has nothing of.
    const key = `${toplevel} ${release?.rev}`;
    if (!isCommit(record) || !toplevel || !release?.rev || past.has(key)) continue;
    past.set(key, {
      ...{ back: past.size, id, at, toplevel, rev: release.rev, subject: release.subject ?? "" },
      valid: known.get(toplevel)?.valid ?? null,
      manifest: known.get(toplevel)?.manifest ?? false,
    });
  }
  return [...past.values()];
}

export function isCommit({ outcome }: LedgerRecord): boolean {
  return outcome === "committed" || outcome === "tested";
}

/** The release that `--to` means: so many back, the id of a transaction, or the beginning of a commit's. */
export function choose(past: readonly Past[], to: string | undefined): Past {
  if (past.length === 0)
    throw new Stop(
      EXIT.failed,
      "The host has no record of a release that it has committed, so there is nothing to go back to.",
    );
  if (to === undefined || /^\d{1,3}$/.test(to)) return stepsBack(past, Number(to ?? 1));
  const found = past.filter(
    ({ id, rev }) => id === to || (/^[0-9a-f]{4,40}$/.test(to) && rev.startsWith(to)),
  );
  const [first] = found;
  if (first === undefined)
    throw new UsageError(
      `The host has committed no release ${to}. It has: ${listOf(past)}. See: promote history`,
    );
  if (new Set(found.map(({ rev }) => rev)).size > 1)
    throw new UsageError(`${to} is the beginning of more than one: ${listOf(found)}.`);
  return first;
}

function stepsBack(past: readonly Past[], back: number): Past {
  const found = past[back];
  if (found !== undefined) return found;
  throw new Stop(
    EXIT.failed,
    past.length === 1
      ? "The host has committed one release only, so there is none before it."
      : `The host remembers ${past.length} releases, so --to goes up to ${past.length - 1}: ${listOf(past)}.`,
  );
}

function listOf(past: readonly Past[]): string {
  return past.map(({ back, rev }) => `${back} (${rev.slice(0, 12)})`).join(", ");
}

export function whoOf({ by }: Pick<LedgerRecord, "by">): string {
  return by == null ? "" : describeOperator({ ...by, pid: "" });
}
