import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { EVENTS_FD, type TestEvent, testEvent } from "./events.ts";
import { type Output, straight } from "./output.ts";
import type { Result, Results } from "./results.ts";
import type { Room } from "./rooms.ts";

/** How often a test that takes long gives a sign of life. */
const SIGN_OF_LIFE_MS = 30_000;
/** How long a room may take to end after its last test; taking its lab down is part of that. */
const LEAVING_MS = 10_000;
const LEAVING_LAB_MS = 60_000;
/** How long an interrupted room may clean up by itself. */
const CLEANUP_MS = 60_000;

/** Files of one room in a mocha process of their own, in a process group of its own. */
export class MochaRun {
  private readonly child: ChildProcess;
  private readonly room: Room;
  private readonly results: Results;
  private readonly list: boolean;
  private readonly output: Output;
  private readonly files: readonly string[];
  private ended = false;
  private running: { path: readonly string[]; since: number } | undefined;
  private leaving: NodeJS.Timeout | undefined;
  private overstayed = false;

  constructor(root: string, room: Room, results: Results, options: MochaOptions) {
    this.room = room;
    this.results = results;
    this.list = options.list === true;
    this.output = options.output ?? straight;
    this.files = options.files;
    this.child = spawn(process.execPath, mochaArguments(room, options), {
      cwd: root,
      env: { ...process.env, ...options.env },
      // A group of its own: Ctrl-C reaches it once, from us, and a stuck one can be ended as a whole.
      detached: true,
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
  }

  /** Resolves when the room is through; every failure is in the results, also that of mocha itself. */
  async finished(): Promise<void> {
    const ticking = setInterval(() => this.signOfLife(), SIGN_OF_LIFE_MS);
    const exit = new Promise<string>((resolve) => {
      this.child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
      this.child.once("error", (error) => resolve(error.message));
    });
    const events = this.child.stdio[EVENTS_FD] as Readable;
    for await (const line of linesOf(events)) this.take(testEvent.parse(JSON.parse(line)));
    const how = await exit;
    clearInterval(ticking);
    clearTimeout(this.leaving);
    if (!this.ended) this.fail(`ended before its last test (${how})`);
    else if (this.overstayed) this.fail("did not end after its last test: something is left open");
    this.output.end();
    this.signal("SIGKILL");
  }

  /** Asks the room to end and clean up; insists after a while. */
  interrupt(signal: NodeJS.Signals): void {
    this.signal(signal);
    setTimeout(() => this.signal("SIGKILL"), CLEANUP_MS).unref();
  }

  kill(): void {
    this.signal("SIGKILL");
  }

  private take(event: TestEvent): void {
    const within = (path: readonly string[]) => [this.room.name, ...path];
    switch (event.event) {
      case "suite":
        this.output.suite(within(event.path));
        break;
      case "start":
        this.running = { path: within(event.path), since: Date.now() };
        break;
      case "result":
        this.running = undefined;
        if (this.list) this.output.suite(within(event.result.path));
        else this.add({ ...event.result, path: within(event.result.path) });
        break;
      case "end":
        this.ended = true;
        this.leaving = setTimeout(
          () => {
            this.overstayed = true;
            this.kill();
          },
          this.room.needsLab ? LEAVING_LAB_MS : LEAVING_MS,
        );
    }
  }

  private add(result: Result): void {
    this.results.add(result);
    this.output.result(result);
  }

  private fail(what: string): void {
    const detail = `The tests of ${this.files.length === 1 ? this.files[0] : `test/${this.room.name}`} ${what}.`;
    this.add({ path: [this.room.name, "the room"], outcome: "failed", milliseconds: 0, detail });
  }

  private signOfLife(): void {
    if (this.running !== undefined) {
      this.output.running(this.running.path, Date.now() - this.running.since);
    }
  }

  /** To the whole group; one that is gone already is as good. */
  private signal(signal: NodeJS.Signals): void {
    if (this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Lines end at a newline only: readline also breaks at U+2028, which a title may have in it. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.setEncoding("utf8")) {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

export interface MochaOptions {
  readonly grep?: string | undefined;
  /** Names the tests and runs none. */
  readonly list?: boolean;
  readonly files: readonly string[];
  /** Beside our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where its results are shown. Default: as they come. */
  readonly output?: Output;
}

function mochaArguments(room: Room, { grep, list, files }: MochaOptions): string[] {
  return [
    "--disable-warning=ExperimentalWarning",
    "node_modules/mocha/bin/mocha.js",
    ...["--reporter", "./test/run/reporter.ts"],
    ...["--timeout", `${room.timeoutMs}`],
    "--forbid-only",
    ...(grep === undefined ? [] : ["--grep", grep]),
    ...(list === true ? ["--dry-run"] : []),
    ...files,
  ];
}
