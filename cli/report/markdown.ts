import { describeTime } from "../../contract/job-record.ts";
import { namedChanges } from "../../providers/nixos/plan/changes-text.ts";
import { whoOf } from "../ledger.ts";
import { code, details, fenced, fitted, table, text } from "../markdown.ts";
import type { HostReport, ReportDocument } from "./document.ts";
import { failed, growth, outcomeText, packageText, seconds, stepsOf, unitsOf } from "./facts.ts";

/** A report for the summary of a job. */
export function reportMarkdown({ release, hosts }: ReportDocument): string {
  const title = `## ${code(release.rev?.slice(0, 12) ?? "unknown")} ${text(release.subject ?? "")}`;
  return fitted([
    title,
    table(["Host", "Outcome", "When", "By"], hosts.map(overview)),
    ...hosts.flatMap(parts),
  ]);
}

function overview({ host, record, error }: HostReport): string[] {
  if (record === null) return [text(host), error === null ? "not known" : text(error), "", ""];
  return [
    text(host),
    `**${outcomeText(record)}**`,
    describeTime(record.startedAt ?? record.at),
    text(whoOf(record)),
  ];
}

function parts(report: HostReport): string[] {
  const { host, record, contents, verdict } = report;
  if (record === null) return [];
  const changes = contents?.changes ?? [];
  const steps = stepsOf(report);
  const units = unitsOf(report);
  const probes = verdict?.probes ?? [];
  const named = namedChanges(contents ?? {});
  const passed = probes.filter(({ ok }) => ok).length;
  return [
    `### ${text(host)}`,
    ...(failed(report)
      ? [
          `> [!CAUTION]\n> Failed in step ${text(record.failedStep ?? "unknown")}: ${text(record.reason ?? "no reason is on record")}`,
        ]
      : []),
    details(
      `Packages: ${changes.length}`,
      table(
        ["Package", "Version", "Size"],
        changes.map(({ name, from, to, bytes }) => [
          code(name),
          text(packageText(from, to)),
          growth(bytes),
        ]),
      ),
      changes.length,
    ),
    details(
      `Steps: ${seconds(steps.at(-1)?.to ?? 0)}`,
      table(
        ["Step", "Takes"],
        steps.map(({ name, from, to }) => [code(name), seconds(to - from)]),
      ),
      steps.length,
    ),
    details(
      `Units: ${units.length}`,
      table(
        ["Unit", "What happened"],
        units.map(({ unit, change }) => [code(unit), change]),
      ),
      units.length,
    ),
    details(
      `Users and /etc: ${named.length}`,
      table(
        ["", "Name", "What happened"],
        named.map(({ kind, name, happens }) => [kind, code(name), text(happens)]),
      ),
      named.length,
    ),
    details(
      `Probes: ${passed} of ${probes.length} passed`,
      table(
        ["Probe", "Result", "Answer"],
        probes.map(({ name, ok, seconds: took, answer }) => [
          code(name),
          `${ok ? "passed" : "**failed**"} after ${seconds(took)}`,
          text(answer),
        ]),
      ),
      probes.length,
    ),
    details(
      "Diagnostics",
      fenced(verdict?.diagnostics?.trim() ?? ""),
      verdict?.diagnostics ? 1 : 0,
    ),
  ].filter((part) => part !== "");
}
