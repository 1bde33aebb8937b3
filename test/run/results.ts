/** What became of one test. `path` is the room, the suites around it and its own title. */
export interface Result {
  readonly path: readonly string[];
  readonly outcome: "passed" | "failed" | "skipped";
  readonly milliseconds: number;
  /** Why it failed or was skipped. */
  readonly detail?: string;
}

/** All results of a run, and what they add up to. */
export class Results {
  private readonly all: Result[] = [];

  add(result: Result): void {
    this.all.push(result);
  }

  of(outcome: Result["outcome"]): readonly Result[] {
    return this.all.filter((result) => result.outcome === outcome);
  }

  /** A run that tested nothing has not succeeded: a wrong --grep must not look green. */
  get succeeded(): boolean {
    return this.of("failed").length === 0 && this.of("passed").length > 0;
  }

  get totals(): string {
    const count = (outcome: Result["outcome"]) => this.of(outcome).length;
    return `${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`;
  }
}
