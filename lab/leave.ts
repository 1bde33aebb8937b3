// However this process ends (done, error, Ctrl-C, process.exit), the instances that it owns go with it.
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { releaseLocks } from "./lock.ts";
import { killChildren } from "./process.ts";

const CLI = join(import.meta.dirname, "cli.ts");
const owned = new Set<string>();
let watching = false;

/** From now on the instance, as far as it is this process's own, is taken down when this process ends. Only SIGKILL leaves it, for the next `up` to remove. */
export function own(instance: string): void {
  owned.add(instance);
  if (watching) return;
  watching = true;
  process.on("exit", takeDownOwned);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
}

export function disown(instance: string): void {
  owned.delete(instance);
}

/** In a process of its own: at exit only synchronous work is possible, and no half-done step can go on. */
function takeDownOwned(): void {
  killChildren("SIGTERM");
  releaseLocks();
  for (const instance of owned) {
    const down = [
      process.execPath,
      CLI,
      "down",
      "--quiet",
      "--owner",
      `${process.pid}`,
      "--instance",
      instance,
    ];
    // A session of its own: a second Ctrl-C does not reach it.
    spawnSync("setsid", ["--wait", ...down], { stdio: ["ignore", "ignore", "inherit"] });
  }
  killChildren("SIGKILL");
}
