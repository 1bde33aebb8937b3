import { type MochaOptions, MochaRun } from "./mocha.ts";
import { Blocks } from "./output.ts";
import type { Results } from "./results.ts";
import { longestFirst, type Room, testFiles } from "./rooms.ts";

/**
 * A room's tests: in one process, or each file in one of its own, several of them side by side,
 * each with a lab that only one file at a time has.
 */
export class Crew {
  private readonly root: string;
  private readonly room: Room;
  private readonly results: Results;
  private readonly options: CrewOptions;
  private readonly running = new Set<MochaRun>();
  private waiting: string[];

  constructor(root: string, room: Room, results: Results, options: CrewOptions) {
    this.root = root;
    this.room = room;
    this.results = results;
    this.options = options;
    this.waiting = longestFirst(root, room);
  }

  async finished(): Promise<void> {
    const { workers } = this.room;
    if (workers === undefined) return this.run(testFiles(this.root, this.room));
    const numbers = Array.from({ length: workers }, (_, index) => index + 1);
    await Promise.all(numbers.map((worker) => this.work(worker)));
  }

  interrupt(signal: NodeJS.Signals): void {
    this.waiting = [];
    for (const run of this.running) run.interrupt(signal);
  }

  kill(): void {
    this.waiting = [];
    for (const run of this.running) run.kill();
  }

  private async work(worker: number): Promise<void> {
    for (let file = this.waiting.shift(); file !== undefined; file = this.waiting.shift())
      await this.run([file], { env: labOf(this.room, worker), output: new Blocks() });
  }

  private async run(files: readonly string[], own: Partial<MochaOptions> = {}): Promise<void> {
    const run = new MochaRun(this.root, this.room, this.results, {
      ...{ ...this.options, files, ...own },
      env: { ...this.room.env, ...own.env },
    });
    this.running.add(run);
    await run.finished();
    this.running.delete(run);
  }
}

export interface CrewOptions {
  readonly grep?: string | undefined;
  readonly list?: boolean;
}

function labOf({ name }: Room, worker: number): Record<string, string> {
  return { TEST_LAB: `${process.env.TEST_LAB ?? name}-${worker}` };
}
