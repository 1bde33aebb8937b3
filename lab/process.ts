// Child processes: argv arrays only, bounded in time, all of them known so that leaving leaves none behind.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A failure told as a sentence; `hint` says what to do about it. */
export class LabError extends Error {
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.name = "LabError";
    this.hint = hint;
  }
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  /** Milliseconds; the process group is killed after that. Default 120,000. */
  readonly timeout?: number;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Called with each complete line of stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface Ran {
  /** Exit code; 128 + signal number style codes are not made up: null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

const running = new Set<ChildProcess>();

/** For us and all children: a careful operator's umask must not close /etc of a host to its services. */
export function useUsualUmask(): void {
  process.umask(0o022);
}

/** Run argv in a process group of its own, so that a Ctrl-C on the terminal reaches only us. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [command = "", ...args] = argv;
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  running.add(child);
  return new Promise((resolve, reject) => {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child, "SIGKILL");
    }, options.timeout ?? 120_000);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    if (options.onLine !== undefined) eachLine(child, options.onLine);
    child.once("error", (error) => {
      clearTimeout(timer);
      running.delete(child);
      reject(
        new LabError(`${command} could not be started: ${error.message}.`, installHint(command)),
      );
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, stdout: text(out), stderr: text(err), timedOut });
    });
    // A child that ends without reading its input is judged by its exit code, not by our EPIPE.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** Like `run`, but anything but exit 0 is a LabError; returns stdout. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const ran = await run(argv, options);
  if (ran.code === 0) return ran.stdout;
  const how = ran.timedOut
    ? "took too long and was ended"
    : `failed (exit ${ran.code ?? "by signal"})`;
  const tail = (ran.stderr.trim() || ran.stdout.trim()).split("\n").slice(-15).join("\n  ");
  throw new LabError(`${argv.join(" ")} ${how}:\n  ${tail}`);
}

/** End every child that is still running; used when this process leaves early. */
export function killChildren(signal: NodeJS.Signals): void {
  for (const child of running) killGroup(child, signal);
}

/** Wait until `probe` gives something else than undefined. */
export async function until<T>(
  probe: () => Promise<T | undefined> | T | undefined,
  { timeout, every = 20 }: { timeout: number; every?: number },
): Promise<T | undefined> {
  const deadline = Date.now() + timeout;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (Date.now() > deadline) return undefined;
    await sleep(every);
  }
}

/** A process is the same one only if it also started at the same time: pids come again. */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
}

export function identify(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : { pid, started: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

export function isAlive(id: ProcessId): boolean {
  return identify(id.pid)?.started === id.started;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // already gone
  }
}

function eachLine(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString("utf8");
}

function installHint(command: string): string {
  return `Is ${command} installed? lab/packages.txt lists the Debian packages that the lab needs; npm run setup installs them.`;
}
