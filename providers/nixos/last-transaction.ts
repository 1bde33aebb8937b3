import type { HostState } from "../../contract/host-state.ts";
import { describeOperator, describeTime, type JobRecord } from "../../contract/job-record.ts";
import type { SystemProfileOutputs } from "../../contract/resources.ts";
import { type Verdict, verdict } from "../../contract/verdict.ts";

type Transaction = NonNullable<SystemProfileOutputs["transaction"]>;
type Last = NonNullable<HostState["last"]>;

/** What the host itself says of its last transaction; null while it runs, and if there was none. */
export function lastTransaction({ last }: HostState): Transaction | null {
  if (last === null || last === undefined || last.state === "running") return null;
  const said = summarised.safeParse(last.result);
  if (said.success) return summaryOf(said.data, describeOperator(last.by));
  const { id, startedAt, since, step } = last;
  const refused = errorIn(last.result);
  return {
    ...{ id, by: describeOperator(last.by), startedAt, finishedAt: since ?? startedAt ?? 0 },
    outcome: refused === undefined ? "interrupted" : "refused",
    reason: refused ?? `It was cut off in step ${step ?? "start"}: killed, or the power was cut.`,
    previousSystem: null,
    diagnosticsFile: null,
    probes: {},
  };
}

/** What every version of the host's script has said. */
const summarised = verdict.pick({
  ...{ id: true, outcome: true, reason: true, before: true, probes: true },
  ...{ startedAt: true, finishedAt: true, diagnosticsFile: true },
});
type Summarised = Pick<Verdict, keyof typeof summarised.shape>;

export function summaryOf(said: Summarised, by: string): Transaction {
  return {
    ...{ id: said.id, by, outcome: said.outcome, reason: said.reason },
    previousSystem: said.before.currentSystem,
    ...{ startedAt: said.startedAt, finishedAt: said.finishedAt },
    diagnosticsFile: said.diagnosticsFile,
    probes: Object.fromEntries(said.probes.map((probe) => [probe.name, probe.answer])),
  };
}

function errorIn(result: unknown): string | undefined {
  if (typeof result !== "object" || result === null || !("error" in result)) return undefined;
  const { error } = result;
  return typeof error === "object" && error !== null && "message" in error
    ? String(error.message)
    : undefined;
}

/** What came of a transaction that this stack did not see the end of. */
export function describeLast(last: Last, transaction: Transaction): string {
  return (
    `The last transaction, ${last.id}${forWhat(last)}, started by ${describeOperator(last.by)} at ${describeTime(last.startedAt)}, ` +
    `whose end this stack has not seen, ${outcomeText(transaction)}`
  );
}

function outcomeText({ id, outcome, reason, finishedAt, diagnosticsFile }: Transaction): string {
  const why = reason ?? "no reason given.";
  const more = diagnosticsFile === null ? "" : ` Diagnostics: ${diagnosticsFile} on the host.`;
  switch (outcome) {
    case "committed":
      return `was committed at ${describeTime(finishedAt)}.`;
    case "rolled-back":
      return `was rolled back: ${why}${more} ${mending(why)} \`pulumi up\` again.`;
    case "refused":
      return `was refused, and changed nothing: ${why}${more}`;
    case "interrupted":
      return (
        `did not end: ${why} \`pulumi up\` puts the host right. ` +
        `Its log: /var/lib/nixos-promote/jobs/${id}/log on the host.`
      );
    default:
      return `failed, and its rollback too: ${why}${more}`;
  }
}

/** What to do before the next `pulumi up`: the release is not to blame where nobody was there for it. */
export function mending(why: string): string {
  if (/^(Cancelled|No confirmation)/.test(why)) return "Run";
  if (why.startsWith("The boot default could not be written"))
    return "Mend the boot loader of the host and run";
  return "Mend the release and run";
}

/** `activate-… (release …), started by alice@laptop … at …, is at the step 'health' since ….` */
export function describeRunning(record: JobRecord): string {
  return (
    `a transaction is running: ${record.id}${forWhat(record)}, started by ${describeOperator(record.by)} at ` +
    `${describeTime(record.startedAt)}, at the step '${record.step ?? "start"}'` +
    `${record.since === null ? "" : ` since ${describeTime(record.since)}`}.`
  );
}

function forWhat({ what }: JobRecord): string {
  return what === null ? "" : ` (${what})`;
}
