import type { Result, Results } from "./results.ts";

const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
const MARKS = { passed: paint(32, "✓"), failed: paint(31, "✗"), skipped: paint(33, "-") };

/** Below this a time tells nothing. */
const WORTH_TELLING_MS = 50;

export function printRoom(name: string): void {
  console.log(`\n${paint(1, name)}`);
}

export function printSuite(path: readonly string[]): void {
  console.log(`${indent(path.length)}${path.at(-1)}`);
}

export function printResult({ path, outcome, milliseconds, detail }: Result): void {
  const time = milliseconds < WORTH_TELLING_MS ? "" : paint(2, ` (${duration(milliseconds)})`);
  const reason = outcome === "skipped" ? paint(2, `: ${detail}`) : "";
  console.log(`${indent(path.length)}${MARKS[outcome]} ${path.at(-1)}${reason}${time}`);
  if (outcome === "failed" && detail !== undefined) console.log(block(detail, path.length + 1));
}

/** A sign of life of a test that takes long. */
export function printRunning(path: readonly string[], milliseconds: number): void {
  console.log(`${indent(path.length)}… ${path.at(-1)}: ${duration(milliseconds)} so far`);
}

/**
 * Failures once more, since they have scrolled away; skipped tests with their reasons; then what failed in a line each, as
 * those who keep a log often keep its end alone; the totals last.
 */
export function printSummary(results: Results, milliseconds: number): void {
  const failed = results.of("failed");
  for (const { path, detail } of failed) {
    console.log(`\n${MARKS.failed} ${path.join(" › ")}\n${block(detail ?? "", 1)}`);
  }
  printSkipped(results.of("skipped"));
  if (failed.length > 1) console.log("\nFailed:");
  for (const { path, detail } of failed.length > 1 ? failed : []) {
    console.log(`  ${MARKS.failed} ${path.join(" › ")}: ${firstLine(detail)}`);
  }
  console.log(`\nThis took ${duration(milliseconds)}.`);
  console.log(results.totals);
}

/** Tests of one suite that lack the same thing are told together. */
function printSkipped(skipped: readonly Result[]): void {
  if (skipped.length > 0) console.log("\nSkipped:");
  const suite = ({ path, detail }: Result) => JSON.stringify([path.slice(0, -1), detail]);
  for (const [first, ...others] of Map.groupBy(skipped, suite).values()) {
    if (first === undefined) continue;
    const { path, detail } = first;
    const more = others.length === 0 ? "" : ` (and ${others.length} more of it)`;
    console.log(`  ${MARKS.skipped} ${path.join(" › ")}${more}: ${detail}`);
  }
}

function firstLine(detail = ""): string {
  const [line = ""] = detail.trim().split("\n");
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}

export function duration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function indent(depth: number): string {
  return "  ".repeat(Math.max(depth - 1, 0));
}

function block(text: string, depth: number): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `${indent(depth + 1)}${line}`)
    .join("\n");
}
