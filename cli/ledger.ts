import { z } from "zod";
import { describeConnection } from "../contract/connection.ts";
import { describeOperator } from "../contract/job-record.ts";
import { type History, history, type LedgerRecord } from "../contract/ledger.ts";
import { type Verdict, verdict } from "../contract/verdict.ts";
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
  /** Where links of the release led. */
  readonly links: Readonly<Record<string, string | null>>;
  /** Of a release that only Pulumi's own history has, the manifest. */
  readonly recorded?: string | undefined;
}

/** Who knows of releases that the ledger of the host does not have any more. */
export type Older = () => Promise<readonly Past[]>;

/** The newest records of a stack's host, and of one system the manifest. */
export function readLedger(
  { settings }: SettledStack,
  question: { readonly limit?: number; readonly toplevel?: string; readonly id?: string } = {},
): Promise<History> {
  const connection = connectionOf(settings.host);
  const answer = call(executorFor(connection), "history", { limit: 200, ...question }, history, {
    timeoutSeconds: ASK_SECONDS,
    endsWithUs: true,
  });
  return within(ASK_SECONDS, describeConnection(connection), answer);
}

const told = z.object({ result: verdict.nullable().catch(null) });

/** How a transaction ended, as long as the host keeps its job. */
export async function readVerdict({ settings }: SettledStack, id: string): Promise<Verdict | null> {
  const executor = executorFor(connectionOf(settings.host));
  const { result } = await call(executor, "verdict", { id }, told, {
    timeoutSeconds: ASK_SECONDS,
    endsWithUs: true,
  });
  return result;
}

/** The releases that a host has committed, the newest first, each once. */
export function pastOf({ records, releases }: History): Past[] {
  const known = new Map(releases.map((release) => [release.toplevel, release]));
  const past = new Map<string, Past>();
  for (const record of records) {
    const { toplevel, release, id, at, after } = record;
    // Two releases may have one system, where they differ in links, or in what this host has nothing of.
    const key = `${toplevel} ${release?.rev}`;
    if (!isCommit(record) || !toplevel || !release?.rev || past.has(key)) continue;
    past.set(key, {
      ...{ back: past.size, id, at, toplevel, rev: release.rev, subject: release.subject ?? "" },
      valid: known.get(toplevel)?.valid ?? null,
      manifest: known.get(toplevel)?.manifest ?? false,
      links: after?.links ?? {},
    });
  }
  return [...past.values()];
}

export function isCommit({ outcome }: LedgerRecord): boolean {
  return outcome === "committed" || outcome === "tested";
}

/**
 * The release that `--to` means: so many back, the id of a transaction, or the beginning of a commit's. `older` is asked
 * where the ledger of the host has none such.
 */
export async function find(
  past: readonly Past[],
  to: string | undefined,
  older: Older,
): Promise<Past> {
  const found = seek(past, to);
  if (found !== undefined) return found;
  let unread = "";
  const more = await older().catch((error: unknown) => {
    if (!(error instanceof Stop)) throw error;
    unread = ` Pulumi's own history was not asked: ${error.message}`;
    return [];
  });
  try {
    return choose(joined(past, more), to);
  } catch (error) {
    if (!(error instanceof Stop) || unread === "") throw error;
    throw new Stop(error.code, error.message + unread, error.details);
  }
}

/** What two sources know, each release once; the numbers go on. */
function joined(past: readonly Past[], older: readonly Past[]): Past[] {
  const keys = new Set(past.map(keyOf));
  const more = older.filter((release) => !keys.has(keyOf(release)));
  return [...past, ...more].map((release, back) => ({ ...release, back }));
}

function keyOf({ toplevel, rev }: Past): string {
  return `${toplevel} ${rev}`;
}

/** Of these, or an error that says what there is. */
export function choose(past: readonly Past[], to: string | undefined): Past {
  const found = seek(past, to);
  if (found !== undefined) return found;
  if (past.length === 0)
    throw new Stop(
      EXIT.failed,
      "Neither the host nor Pulumi has a record of a release that was committed there, so there is nothing to go back to.",
    );
  if (!isNumber(to))
    throw new UsageError(
      `The host has committed no release ${to}. It has: ${listOf(past)}. See: promote history`,
    );
  throw new Stop(
    EXIT.failed,
    past.length === 1
      ? "The host has committed one release only, so there is none before it."
      : `The host remembers ${past.length} releases, so --to goes up to ${past.length - 1}: ${listOf(past)}.`,
  );
}

function seek(past: readonly Past[], to: string | undefined): Past | undefined {
  if (isNumber(to)) return past[Number(to ?? 1)];
  const found = past.filter(
    ({ id, rev }) => id === to || (/^[0-9a-f]{4,40}$/.test(to) && rev.startsWith(to)),
  );
  if (new Set(found.map(({ rev }) => rev)).size > 1)
    throw new UsageError(`${to} is the beginning of more than one: ${listOf(found)}.`);
  return found[0];
}

function isNumber(to: string | undefined): to is undefined | `${number}` {
  return to === undefined || /^\d{1,3}$/.test(to);
}

function listOf(past: readonly Past[]): string {
  return past.map(({ back, rev }) => `${back} (${rev.slice(0, 12)})`).join(", ");
}

export function whoOf({ by }: Pick<LedgerRecord, "by">): string {
  return by == null ? "" : describeOperator({ ...by, pid: "" });
}
