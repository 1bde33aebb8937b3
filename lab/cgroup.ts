// Each host lives in a cgroup of its own: that keeps two systemds apart, and one write ends every process of a host.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Instance } from "./instance.ts";
import { LabError, must, run, until } from "./process.ts";

const TOP = "nixos-promote-lab";
/** Says that the cgroup2 mount is ours to take away. */
const MOUNTED_BY_US = "/run/nixos-promote-lab-cgroup2";

/** The cgroup of a host, or of all hosts of an instance; it may not exist. */
export function cgroup(instance: Instance, host = ""): string {
  return join(mountPoint() ?? "/sys/fs/cgroup", TOP, instance.name, host);
}

/** Seconds of processor time that a host has used since it was booted, all of its processes together. */
export function cpuSeconds(instance: Instance, host: string): number {
  const stat = readFileSync(join(cgroup(instance, host), "cpu.stat"), "utf8");
  return Number(/^usage_usec (\d+)$/m.exec(stat)?.[1]) / 1e6;
}

/** Mount cgroup2 where nowhere is one yet; nspawn looks in these two places only. */
export async function ensureCgroup2(): Promise<void> {
  if (mountPoint() !== undefined) return;
  const hybrid = existsSync("/sys/fs/cgroup/systemd") || existsSync("/sys/fs/cgroup/memory");
  const target = hybrid ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup";
  if (hybrid) mkdirSync(target, { recursive: true });
  await must(["mount", "-t", "cgroup2", "cgroup2", target]);
  writeFileSync(MOUNTED_BY_US, `${target}\n`);
}

export async function releaseCgroup2(): Promise<void> {
  if (!existsSync(MOUNTED_BY_US)) return;
  await run(["umount", readFileSync(MOUNTED_BY_US, "utf8").trim()]);
  unlinkSync(MOUNTED_BY_US);
}

/** End every process below the cgroup at once, as a power cut does, and remove it. */
export async function killCgroup(path: string): Promise<void> {
  if (existsSync(path)) {
    writeFileSync(join(path, "cgroup.kill"), "1");
    const empty = await until(() => (isPopulated(path) ? undefined : true), {
      timeout: 10_000,
      every: 5,
    });
    if (empty === undefined) {
      throw new LabError(
        `Processes below ${path} are still there 10 s after they were killed.`,
        "Most likely they wait for a disk: see `ps -eo pid,stat,wchan,args`, then run the command again.",
      );
    }
    removeTree(path);
  }
  // On hosts with cgroup v1, nspawn keeps a copy of the tree in systemd's own hierarchy.
  const shadow = path.replace(mountPoint() ?? "-", "/sys/fs/cgroup/systemd");
  if (shadow !== path && existsSync(shadow)) removeTree(shadow);
}

function isPopulated(path: string): boolean {
  try {
    return readFileSync(join(path, "cgroup.events"), "utf8").includes("populated 1");
  } catch {
    return false;
  }
}

/** The directories above the instances, once no instance is left in them. */
export function removeTopIfEmpty(): void {
  for (const root of [mountPoint(), "/sys/fs/cgroup/systemd"]) {
    if (root === undefined) continue;
    try {
      rmdirSync(join(root, TOP));
    } catch {
      // not there, or another instance is up
    }
  }
}

function removeTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(path, entry.name));
  }
  rmdirSync(path);
}

function mountPoint(): string | undefined {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return mounts.find((line) => line.includes(" - cgroup2 "))?.split(" ")[4];
}
