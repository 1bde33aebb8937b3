import { spawn } from "node:child_process";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

const STDOUT_LIMIT = 64 * 1024 * 1024;
const STDERR_LIMIT = 64 * 1024;

/** Runs a program without a shell, bounded in time and output. Never throws for how it ended. */
export function runProcess(
  argv: readonly [string, ...string[]],
  input: string,
  timeoutSeconds: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: "pipe", env });
    const stdout = collect(child.stdout, STDOUT_LIMIT);
    const stderr = collect(child.stderr, STDERR_LIMIT);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), 2000).unref();
    }, timeoutSeconds * 1000);
    child.stdin.on("error", () => {}); // the program may end before it has read everything
    child.stdin.end(input);
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: null, stdout: "", stderr: error.message, timedOut: false });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: stdout(), stderr: stderr(), timedOut });
    });
  });
}

function collect(stream: NodeJS.ReadableStream, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
