import { MochaRun } from "./mocha.ts";
import { Blocks } from "./output.ts";
import type { Results } from "./results.ts";
import { type Room, shares } from "./rooms.ts";

/** A room's tests: in one process, or in several side by side, each with a lab of its own. */
export class Crew {
  private readonly runs: readonly MochaRun[];

  constructor(root: string, room: Room, results: Results, options: CrewOptions) {
    const parts = shares(root, room);
    const alone = room.workers === undefined;
    this.runs = parts.map((files, index) => {
      const own = alone ? {} : { env: labOf(room, index + 1), output: new Blocks() };
      return new MochaRun(root, room, results, { ...options, files, ...own });
    });
  }

  async finished(): Promise<void> {
    await Promise.all(this.runs.map((run) => run.finished()));
  }

  interrupt(signal: NodeJS.Signals): void {
    for (const run of this.runs) run.interrupt(signal);
  }

  kill(): void {
    for (const run of this.runs) run.kill();
  }
}

export interface CrewOptions {
  readonly grep?: string | undefined;
  readonly list?: boolean;
}

function labOf({ name }: Room, worker: number): Record<string, string> {
  return { E2E_LAB: `${process.env.E2E_LAB ?? name}-${worker}` };
}
