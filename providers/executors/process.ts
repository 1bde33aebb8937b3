import { spawn } from "node:child_process";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface ProcessOptions {
  /** Ended when we are. Default: it goes on. */
  readonly endsWithUs?: boolean;
  /** Beside our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export const STDOUT_LIMIT = 64 * 1024 * 1024;
export const STDERR_LIMIT = 64 * 1024;

const endingWithUs = new Set<number>();

process.on("exit", () => {
  for (const leader of endingWithUs) endGroup(leader, "SIGTERM");
});

/** Runs a program without a shell, bounded in time and output. Never throws for how it ended. */
export function runProcess(
  argv: readonly [string, ...string[]],
  input: string,
  timeoutSeconds: number,
  { endsWithUs = false, env = {}, cwd }: ProcessOptions = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(argv[0], argv.slice(1), {
      ...{ stdio: "pipe", detached: true, env: { ...process.env, ...env } },
      ...(cwd === undefined ? {} : { cwd }),
    });
    const stdout = collect(child.stdout, STDOUT_LIMIT);
    const stderr = collect(child.stderr, STDERR_LIMIT);
    const limit = limitProcess(child.pid, timeoutSeconds, endsWithUs);
    child.stdin.on("error", () => {}); // the program may end before it has read everything
    child.stdin.end(input);
    child.on("error", (error) => {
      limit.lift();
      resolve({ code: null, stdout: "", stderr: error.message, timedOut: false });
    });
    child.on("close", (code) => {
      limit.lift();
      resolve({ code, stdout: stdout(), stderr: stderr(), timedOut: limit.reached() });
    });
  });
}

/** Ends it when its time is over and, if it is only to be read, when we end; until that is lifted. */
export function limitProcess(
  leader: number | undefined,
  timeoutSeconds: number,
  endsWithUs: boolean,
): { lift(): void; reached(): boolean } {
  let timedOut = false;
  if (endsWithUs && leader !== undefined) endingWithUs.add(leader);
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup(leader, "SIGTERM");
    setTimeout(() => endGroup(leader, "SIGKILL"), 2000).unref();
  }, timeoutSeconds * 1000);
  return {
    lift() {
      clearTimeout(timer);
      endingWithUs.delete(leader ?? 0);
    },
    reached: () => timedOut,
  };
}

/** With its children: one that goes on would hold our end of the pipes open. */
function endGroup(leader: number | undefined, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    if (leader !== undefined) process.kill(-leader, signal);
  } catch {
    // it has ended by itself
  }
}

export function collect(stream: NodeJS.ReadableStream, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
