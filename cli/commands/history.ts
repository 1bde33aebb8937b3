import { describeTime } from "../../contract/job-record.ts";
import type { LedgerRecord } from "../../contract/ledger.ts";
import type { Call } from "../commands.ts";
import { EXIT, type ExitCode, UsageError } from "../exit-code.ts";
import { textOf } from "../flags.ts";
import { isCommit, type Past, pastOf, readLedger, whoOf } from "../ledger.ts";
import type { Output, Style } from "../output.ts";
import { DEFAULT_STACK, openProject, settled, stackNamed } from "../project.ts";
import { type Cell, table } from "../table.ts";
import { plain } from "../text.ts";

export async function history({ flags, output, cwd }: Call): Promise<ExitCode> {
  const stack = settled(stackNamed(openProject(cwd), textOf(flags, "stack") ?? DEFAULT_STACK));
  const limit = limitOf(textOf(flags, "limit") ?? "20");
  output.progress(`asking ${stack.settings.host.name} …`);
  const told = await readLedger(stack, { limit });
  const past = pastOf(told);
  for (const line of historyLines(told.records, past, output)) output.line(line);
  if (told.damaged > 0) output.say(`${told.damaged} lines of the ledger are no records.`);
  const { records, releases, damaged } = told;
  output.document({ stack: stack.name, records, releases, damaged, past });
  return EXIT.done;
}

function limitOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new UsageError(`--limit is a number from 1 to 9999, not ${text}.`);
}

const STYLES: Partial<Record<LedgerRecord["outcome"], Style>> = {
  committed: "green",
  tested: "green",
  "rolled-back": "yellow",
  refused: "yellow",
  "cut-off": "red",
  "rollback-failed": "red",
};

/** A row for each transaction, and below it why it failed, or whether its system is gone. */
export function historyLines(
  records: readonly LedgerRecord[],
  past: readonly Past[],
  output: Pick<Output, "width" | "paint" | "wrap">,
): string[] {
  if (records.length === 0) return ["No transaction is on record."];
  const columns = [
    { title: "TO" },
    { title: "WHEN" },
    { title: "OUTCOME" },
    { title: "RELEASE", flexible: true as const },
    { title: "BY" },
  ];
  const numbers = new Map(past.map(({ id, back }) => [id, String(back)]));
  const rows = records.map((record): Cell[] => {
    const style = STYLES[record.outcome];
    return [
      { text: numbers.get(record.id) ?? "", style: "bold" },
      { text: describeTime(record.at).replace(/:\d\d UTC$/, "Z") },
      { text: record.outcome, ...(style === undefined ? {} : { style }) },
      { text: plain(releaseOf(record)) },
      { text: plain(whoOf(record)) },
    ];
  });
  const [titles = "", ...lines] = table(columns, rows, output);
  const gone = new Set(past.filter(({ valid }) => valid === false).map(({ id }) => id));
  return [
    titles,
    ...records.flatMap((record, index) => [
      lines[index] ?? "",
      ...detailsOf(record, gone).flatMap((text) =>
        output.wrap(plain(text), { indent: "    ", hanging: "      " }),
      ),
    ]),
  ];
}

function releaseOf({ release, mode }: LedgerRecord): string {
  const what = `${release?.rev?.slice(0, 12) ?? ""} ${release?.subject ?? ""}`.trim();
  return mode === undefined || mode === "switch" ? what : `(${mode}) ${what}`;
}

function detailsOf(record: LedgerRecord, gone: ReadonlySet<string>): string[] {
  const { id, reason, diagnosticsFile } = record;
  return [
    ...(isCommit(record) || !reason ? [] : [`${id}: ${reason}`]),
    ...(isCommit(record) || !diagnosticsFile ? [] : [`diagnostics: ${diagnosticsFile}`]),
    ...(gone.has(id) ? ["its system is no longer in the host's store"] : []),
  ];
}
