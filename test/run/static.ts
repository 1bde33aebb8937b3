import { setImmediate } from "node:timers/promises";
import type { Arguments } from "./arguments.ts";
import { printResult, printRoom, printSuite } from "./printer.ts";
import type { Result, Results } from "./results.ts";
import { STATIC } from "./rooms.ts";
import { type Source, STATIC_CHECKS, type StaticCheck, sourceOf } from "./static-checks.ts";

/** Runs the checks of the source. They count as tests. */
export async function runStaticChecks(
  root: string,
  { grep, list }: Arguments,
  results: Results,
): Promise<void> {
  const wanted = STATIC_CHECKS.filter(({ title }) => new RegExp(grep ?? "").test(title));
  if (wanted.length === 0) return;
  printRoom(STATIC);
  if (list) {
    for (const { title } of wanted) printSuite([STATIC, title]);
    return;
  }
  const source = sourceOf(root);
  for (const check of wanted) {
    const result = resultOf(check, source);
    results.add(result);
    printResult(result);
    await setImmediate(); // a signal that came meanwhile is heard now
  }
}

function resultOf({ title, advisory, run }: StaticCheck, source: Source): Result {
  const since = performance.now();
  const complaints = run(source);
  const milliseconds = performance.now() - since;
  if (complaints.length === 0) return { path: [STATIC, title], outcome: "passed", milliseconds };
  if (advisory !== true) {
    const detail = complaints.join("\n");
    return { path: [STATIC, title], outcome: "failed", milliseconds, detail };
  }
  const advised = `${title}; advice only: ${complaints.join(", ")}`;
  return { path: [STATIC, advised], outcome: "passed", milliseconds };
}
