// The operator's processes: the Pulumi CLI, our provider, ssh; found by the mark that the lab gives to all of them.
import { readdirSync, readFileSync } from "node:fs";

export type Role = "cli" | "provider" | "any";

const ROLES: Record<Role, RegExp> = {
  cli: /^\S*\bpulumi\0.*\0up\0/,
  provider: /\0\S*providers\/nixos\/main\.ts\0/,
  any: /^(?!.*\blab\/ssm\/main\.ts)/s, // the endpoint is no operator's
};

/** Those of a lab that run now. */
export function operators(labDirectory: string, role: Role): number[] {
  const mark = `NIXOS_PROMOTE_LAB_RUN=${labDirectory}`;
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => ROLES[role].test(text(pid, "cmdline")))
    .filter((pid) => text(pid, "environ").split("\0").includes(mark) && isAlive(pid));
}

export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // it has ended by itself
    }
  }
}

/** R running, S sleeping, T stopped, Z gone. */
export function stateOf(pid: number): string {
  return /\) (\w)/.exec(text(pid, "stat"))?.[1] ?? "gone";
}

function isAlive(pid: number): boolean {
  return !["Z", "gone"].includes(stateOf(pid));
}

function text(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // it has ended
  }
}
