import { median } from "../report.ts";
import type { Row } from "./peers.ts";

/** One line for each contender in each scenario. Ratios are to the fastest of the others. */
export function printPeers(rows: readonly Row[]): void {
  for (const [place, of] of groupBy(rows, ({ hosts, delay }) => `${hosts} hosts, ${delay} ms`)) {
    const measured = of.filter(({ missing }) => missing === undefined);
    if (measured.length > 0) console.log(`\n${place}\n${HEAD}`);
    for (const row of measured) console.log(lineOf(row));
  }
  for (const { contender, missing } of rows)
    if (missing !== undefined) console.log(`\n${contender}: not measured, ${missing}`);
}

const HEAD = `${"scenario".padEnd(16)}${"contender".padEnd(24)}${"median s".padStart(9)}${"min".padStart(7)}${"max".padStart(7)}  what it cost`;

function lineOf({ scenario, contender, seconds, cost, after }: Row): string {
  const figures = [median(seconds), Math.min(...seconds), Math.max(...seconds)];
  const [first = "", ...others] = figures.map((value) =>
    Number.isFinite(value) ? value.toFixed(2) : "-",
  );
  const head = `${scenario.padEnd(16)}${contender.padEnd(24)}${first.padStart(9)}${others.map((text) => text.padStart(7)).join("")}`;
  return `${head}  ${cost === undefined ? "" : sayCost(cost)}${after === undefined ? "" : sayAfter(after)}`.trimEnd();
}

function sayCost({
  receivedKiB,
  sentKiB,
  processes,
  connections,
  sessions,
  memory,
}: NonNullable<Row["cost"]>): string {
  const { operator, builder, hosts } = processes;
  return (
    `hosts got ${receivedKiB} and sent ${sentKiB} KiB; ${connections} connections, ${sessions} sessions; ` +
    `processes ${operator}+${builder}+${hosts}; ${memory.peakMiB} MiB`
  );
}

function sayAfter(all: NonNullable<Row["after"]>): string {
  const [last] = all.slice(-1);
  if (last === undefined) return "";
  const outages = all.map(({ outageSeconds }) => outageSeconds);
  const outage = outages.includes(null)
    ? "never well again"
    : `ill for ${median(outages.map(Number)).toFixed(2)} s`;
  return (
    `${last.said ? "said it" : "said nothing"}; first host ${outage}; ` +
    `at the end ${last.before} before, ${last.bad} new, ${last.ill} ill`
  );
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values)
    groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}
