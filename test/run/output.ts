import { printResult, printRunning, printSuite } from "./printer.ts";
import type { Result } from "./results.ts";

/** What is shown of a mocha process. */
export interface Output {
  suite(path: readonly string[]): void;
  result(result: Result): void;
  running(path: readonly string[], milliseconds: number): void;
  end(): void;
}

/** As it comes. */
export const straight: Output = {
  suite: printSuite,
  result: printResult,
  running: printRunning,
  end() {},
};

/** One outermost suite after the other, each as a whole, so that processes side by side do not mix theirs. */
export class Blocks implements Output {
  private waiting: (() => void)[] = [];

  suite(path: readonly string[]): void {
    const isOutermost = path.length === 2; // the room is the first
    if (isOutermost) this.end();
    this.waiting.push(() => printSuite(path));
  }

  result(result: Result): void {
    this.waiting.push(() => printResult(result));
  }

  /** With its suite: its neighbours are not to be seen yet. */
  running(path: readonly string[], milliseconds: number): void {
    printRunning([path.slice(1).join(" › ")], milliseconds);
  }

  end(): void {
    for (const print of this.waiting) print();
    this.waiting = [];
  }
}
