import { describeTime } from "../../contract/job-record.ts";
import { etcText, usersText } from "../../providers/nixos/plan/changes-text.ts";
import { bytesText } from "../../providers/nixos/plan/text.ts";
import { whoOf } from "../ledger.ts";
import type { Output } from "../output.ts";
import { plain } from "../text.ts";
import type { HostReport, ReportDocument } from "./document.ts";
import {
  growth,
  outcomeText,
  packageText,
  seconds,
  stepsOf,
  type Tone,
  toneOf,
  unitsOf,
} from "./facts.ts";

type Paper = Pick<Output, "paint" | "wrap">;
const STYLES = { ok: "green", warn: "yellow", bad: "red" } as const satisfies Record<Tone, string>;
const LABEL = 12;
const LISTED = 20;

/** A report in a terminal: the same as the page, without what only a page has room for. */
export function reportLines({ release, hosts }: ReportDocument, output: Paper): string[] {
  const title = `${release.rev?.slice(0, 12) ?? "unknown"} ${release.subject ?? ""}`.trim();
  return [output.paint(plain(title), "bold"), ...hosts.flatMap((host) => hostLines(host, output))];
}

function hostLines(report: HostReport, output: Paper): string[] {
  const { host, stack, record, error } = report;
  const outcome = record === null ? "not known" : outcomeText(record);
  return [
    `${output.paint(plain(host), "bold")} (${plain(stack)}) ${output.paint(outcome, STYLES[toneOf(report)])}`,
    ...(error === null ? [] : row("error", error, output)),
    ...rowsOf(report).flatMap(([name, value]) => row(name, value, output)),
  ];
}

function row(name: string, value: string, output: Paper): string[] {
  const margins = { indent: " ".repeat(LABEL), hanging: " ".repeat(LABEL) };
  const [first = "", ...rest] = output.wrap(plain(value), margins);
  return [output.paint(`  ${name}`.padEnd(LABEL), "dim") + first.slice(LABEL), ...rest];
}

function rowsOf(report: HostReport): [string, string][] {
  const { record, verdict, contents } = report;
  if (record === null) return [];
  const steps = stepsOf(report);
  const units = unitsOf(report).map(({ unit, change }) => `${unit} ${change}`);
  const sick = (verdict?.probes ?? []).filter(({ ok }) => !ok);
  return [
    ["when", `${describeTime(record.startedAt ?? record.at)} by ${whoOf(record) || "somebody"}`],
    ...(record.reason
      ? [["why", `${record.failedStep ?? "?"}: ${record.reason}`] as [string, string]]
      : []),
    ...(contents === null
      ? []
      : [
          [
            "size",
            `${bytesText(contents.bytes)} (${growth(contents.bytes - contents.bytesBefore)})`,
          ] as [string, string],
        ]),
    ...listed(
      "packages",
      (contents?.changes ?? []).map(
        ({ name, from, to, bytes }) => `${name}: ${packageText(from, to)} (${growth(bytes)})`,
      ),
    ),
    ...(steps.length === 0
      ? []
      : [
          [
            "steps",
            steps.map(({ name, from, to }) => `${name} ${seconds(to - from)}`).join(", "),
          ] as [string, string],
        ]),
    ...listed("units", units),
    ...(contents === null
      ? []
      : [
          ...listed("users", present(usersText(contents.users, contents.groups))),
          ...listed("/etc", present(etcText(contents.etc))),
        ]),
    ...(verdict === null
      ? []
      : [
          [
            "probes",
            `${verdict.probes.length - sick.length} of ${verdict.probes.length} passed`,
          ] as [string, string],
        ]),
    ...listed(
      "sick",
      sick.map(({ name, answer }) => `${name}: ${answer}`),
    ),
    ...(record.diagnosticsFile
      ? [["see", `${record.diagnosticsFile} on the host`] as [string, string]]
      : []),
  ];
}

function present(value: string | undefined): string[] {
  return value === undefined ? [] : [value];
}

function listed(name: string, items: readonly string[]): [string, string][] {
  const shown = items
    .slice(0, LISTED)
    .map((item, index): [string, string] => [index === 0 ? name : "", item]);
  return items.length > LISTED ? [...shown, ["", `and ${items.length - LISTED} more`]] : shown;
}
