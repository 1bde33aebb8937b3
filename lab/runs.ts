// Programs that were started on a lab, such as the Pulumi CLI with its plugins: they go when it goes.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const MARK = "NIXOS_PROMOTE_LAB_RUN";
const PATIENCE_MILLISECONDS = 3000;

/** In the environment of a program, so that it and all that it starts can be found again, whoever started it. */
export function runMark(directory: string): Record<string, string> {
  return { [MARK]: directory };
}

/** Ends every program that was started with the lab's mark: kindly, then not. */
export async function endRuns(directory: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  signalAll(marked(directory), "SIGTERM");
  while (marked(directory).length > 0 && Date.now() < deadline) await sleep(50);
  signalAll(marked(directory), "SIGKILL");
}

function marked(directory: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && hasMark(pid, `${MARK}=${directory}`));
}

function hasMark(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(mark);
  } catch {
    return false; // it has ended, or is not ours to read
  }
}

function signalAll(pids: readonly number[], signal: "SIGTERM" | "SIGKILL"): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // it has ended by itself
    }
  }
}
