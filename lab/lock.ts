// A lock that dies with its holder: flock(1) keeps it while a pipe to us is open.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { LabError } from "./process.ts";

const holders = new Set<ChildProcess>();

/** Run `work` while nobody else holds the lock `file`. `waiting` is called once if somebody does. */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  waiting: () => void = () => {},
): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const holder = await acquire(file, waiting);
  try {
    return await work();
  } finally {
    holders.delete(holder);
    holder.stdin?.end();
  }
}

/** Let go of all locks at once, for a process that leaves early and has others clean up after it. */
export function releaseLocks(): void {
  for (const holder of holders) holder.kill("SIGKILL");
  holders.clear();
}

function acquire(file: string, waiting: () => void): Promise<ChildProcess> {
  // --no-fork: the process that we kill is the one that has the lock.
  const holder = spawn("flock", ["--no-fork", file, "sh", "-c", "echo; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  holders.add(holder);
  const slow = setTimeout(waiting, 500);
  return new Promise((resolve, reject) => {
    holder.stdout.once("data", () => {
      clearTimeout(slow);
      resolve(holder);
    });
    holder.once("error", (error) => {
      clearTimeout(slow);
      reject(new LabError(`The lock ${file} could not be taken: ${error.message}.`));
    });
    holder.once("exit", (code) => {
      clearTimeout(slow);
      holders.delete(holder);
      reject(new LabError(`The lock ${file} could not be taken (flock ended with ${code}).`));
    });
  });
}
