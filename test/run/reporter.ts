import { writeSync } from "node:fs";
import { EVENTS_FD, type TestEvent } from "./events.ts";
import type { Result } from "./results.ts";
import { reasonOf } from "./skip.ts";

/** A mocha reporter that prints nothing: it tells the runner, which adds up all rooms. */
export default class Reporter {
  constructor(runner: Mocha.Runner) {
    runner.on("suite", (suite) => {
      if (!suite.root) tell({ event: "suite", path: suite.titlePath() });
    });
    runner.on("test", (test) => tell({ event: "start", path: test.titlePath() }));
    runner.on("pass", (test) => tellResult(test, "passed"));
    runner.on("fail", (test, error) => tellResult(test, "failed", describe(error)));
    runner.on("pending", (test) => tellResult(test, "skipped", reasonOf(test)));
    runner.on("end", () => tell({ event: "end" }));
  }
}

function tellResult(test: Mocha.Runnable, outcome: Result["outcome"], detail?: string): void {
  const result = { path: test.titlePath(), outcome, milliseconds: test.duration ?? 0 };
  tell({ event: "result", result: detail === undefined ? result : { ...result, detail } });
}

function tell(event: TestEvent): void {
  writeSync(EVENTS_FD, `${JSON.stringify(event)}\n`);
}

/** The error as a reader needs it: message, difference of values, and where in our code. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return `The test threw something that is no error: ${error}`;
  const message = error.stack?.includes(error.message) ? "" : `${error.message}\n`;
  const lines = `${message}${error.stack ?? ""}`.split("\n");
  const ours = lines.filter((line) => !/^\s+at .*(node_modules|node:internal)/.test(line));
  const cause = error.cause === undefined ? "" : `\ncaused by: ${describe(error.cause)}`;
  return `${ours.join("\n")}${cause}`;
}
