import { randomBytes } from "node:crypto";
import { describeConnection } from "../../contract/connection.ts";
import { type Description, description } from "../../contract/description.ts";
import type { History, LedgerRecord } from "../../contract/ledger.ts";
import type { AccountChanges, EtcChanges } from "../../contract/plan.ts";
import type { Verdict } from "../../contract/verdict.ts";
import { connectionOf } from "../../contract/ways-to-host.ts";
import { call } from "../../providers/executors/executor.ts";
import { executorFor } from "../../providers/executors/index.ts";
import { accountChanges } from "../../providers/nixos/plan/accounts.ts";
import { etcChanges } from "../../providers/nixos/plan/etc.ts";
import { byName, type PackageChange, packageChanges } from "../../providers/nixos/plan/packages.ts";
import { readLedger, readVerdict } from "../ledger.ts";
import type { SettledStack } from "../project.ts";
import { lookAt, type Sight } from "../sight.ts";

/** A package of the release, and whether the host had it before. */
export interface Part {
  readonly name: string;
  readonly versions: readonly string[];
  readonly bytes: number;
  readonly state: "same" | "changed" | "new";
}

export interface Contents {
  readonly changes: readonly PackageChange[];
  /** The largest first. */
  readonly parts: readonly Part[];
  readonly bytes: number;
  readonly bytesBefore: number;
  readonly paths: number;
  /** Null: the systems do not say. */
  readonly users: AccountChanges | null;
  readonly groups: AccountChanges | null;
  readonly etc: EtcChanges | null;
}

/** What a release did on one host, from its own records. */
export interface HostReport {
  readonly stack: string;
  readonly host: string;
  readonly connection: string;
  /** It could not be asked. */
  readonly error: string | null;
  readonly sight: Sight | null;
  readonly record: LedgerRecord | null;
  /** What the transaction said at its end; null if the host keeps it no more. */
  readonly verdict: Verdict | null;
  /** Null: at least one of the two systems is no longer in its store, or nothing ran before. */
  readonly contents: Contents | null;
  /** The newest transactions of the host. */
  readonly history: readonly LedgerRecord[];
}

export interface ReportDocument {
  readonly schema: 1;
  readonly createdAt: number;
  readonly project: string;
  readonly release: { readonly rev: string | null; readonly subject: string | null };
  readonly hosts: readonly HostReport[];
}

const RECENT = 10;
const DESCRIBE_SECONDS = 60;

/** Of a host whose records have been read: the transaction that is wanted, and what there is to know of it. */
export async function hostReport(
  stack: SettledStack,
  { records }: History,
  record: LedgerRecord | null,
): Promise<HostReport> {
  const [sight, verdict, contents] = await Promise.all([
    lookAt(stack.settings),
    record === null ? null : readVerdict(stack, record.id),
    record === null ? null : contentsOf(stack, record),
  ]);
  const history = records.slice(0, RECENT);
  return { ...aboutOf(stack), error: null, sight, record, verdict, contents, history };
}

export function unreached(stack: SettledStack, error: string): HostReport {
  const nothing = { sight: null, record: null, verdict: null, contents: null, history: [] };
  return { ...aboutOf(stack), error, ...nothing };
}

function aboutOf({ name, settings }: SettledStack) {
  const { host } = settings;
  return { stack: name, host: host.name, connection: describeConnection(connectionOf(host)) };
}

export function readRecords(stack: SettledStack): Promise<History> {
  return readLedger(stack);
}

async function contentsOf(stack: SettledStack, record: LedgerRecord): Promise<Contents | null> {
  const before = record.before?.currentSystem ?? record.previous;
  if (!record.toplevel || !before) return null;
  const accounts = randomBytes(16).toString("hex");
  const [was, is] = await Promise.all(
    [before, record.toplevel].map((toplevel) => describe(stack, toplevel, accounts)),
  );
  return was?.valid && is?.valid ? compare(was, is, before, record.toplevel) : null;
}

/** `from` and `to` are the systems themselves, which are not what a reader looks for. */
export function compare(before: Compared, after: Compared, from: string, to: string): Contents {
  const was = before.closure.filter(([path]) => path !== from);
  const is = after.closure.filter(([path]) => path !== to);
  const known = new Set(was.map(([path]) => path));
  const fresh = byName(is.filter(([path]) => !known.has(path)));
  const old = byName(was);
  const parts = [...byName(is)].map(
    ([name, { versions, bytes }]): Part => ({
      ...{ name, versions, bytes },
      state: old.has(name) ? (fresh.has(name) ? "changed" : "same") : "new",
    }),
  );
  return {
    changes: packageChanges(was, is),
    parts: parts.sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1)),
    bytes: sum(is),
    bytesBefore: sum(was),
    paths: is.length,
    users: accountChanges(before.accounts, after.accounts, "users"),
    groups: accountChanges(before.accounts, after.accounts, "groups"),
    etc: etcChanges(before.etc, after.etc),
  };
}

type Compared = Pick<Description, "closure" | "accounts" | "etc">;

function sum(closure: Description["closure"]): number {
  return closure.reduce((total, [, bytes]) => total + bytes, 0);
}

function describe(
  { settings }: SettledStack,
  toplevel: string,
  accounts: string,
): Promise<Description> {
  return call(
    executorFor(connectionOf(settings.host)),
    "describe",
    { toplevel, closure: true, accounts },
    description,
    { timeoutSeconds: DESCRIBE_SECONDS, endsWithUs: true },
  );
}
