import { hostname, userInfo } from "node:os";
import type { Operator } from "../../contract/job-record.ts";

let stack = "";

/** One provider works for one stack, which every URN names. */
export function worksFor(urn: string): void {
  stack = urn.split("::")[0]?.replace(/^urn:pulumi:/, "") ?? "";
}

/** Without Pulumi: we are the process that the operator knows. */
export function worksAlone(name: string): void {
  stack = name;
  pid = String(process.pid);
}

/** Who we are, as the hosts record it. The process is the one that an operator knows: Pulumi's, which started us. */
let pid = String(process.ppid);
export function ourselves(): Operator {
  return { user: user(), host: hostname(), pid, stack };
}

export function ourStack(): string {
  return stack;
}

/** Did one of our processes start it, and has ended since? Nobody follows it then. */
export function isOrphanOfOurs(by: Operator | null): boolean {
  const us = ourselves();
  if (by === null || by.user !== us.user || by.host !== us.host) return false;
  return /^\d+$/.test(by.pid) && by.pid !== us.pid && !isAlive(Number(by.pid));
}

function isAlive(process_: number): boolean {
  try {
    process.kill(process_, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, and somebody else's
  }
}

function user(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "unknown"); // an account without an entry
  }
}
