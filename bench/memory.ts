// What processes use while they run, looked at many times a second.
import { readdirSync, readFileSync } from "node:fs";

export interface Memory {
  /** Of all processes together, shared pages counted once, in MiB: the largest that was seen. */
  readonly peakMiB: number;
  /** Largest resident size of a process, by its name, in MiB. */
  readonly processes: Readonly<Record<string, number>>;
  /** Seconds of a processor that they had, all together: the same on a machine that has other work too. */
  readonly cpuSeconds: number;
}

const EVERY_MILLISECONDS = 100;

/** Watches what is started from now on, until `end`. What lives shorter than a look is missed, so that sums are lower bounds. */
export function watchMemory(
  pidsNow: () => string[],
  every = EVERY_MILLISECONDS,
): { end(): Memory } {
  let peakMiB = 0;
  const processes: Record<string, number> = {};
  const cpu = new Map<string, number>();
  const before = new Set(pidsNow());
  const look = () => {
    const pids = pidsNow().filter((pid) => !before.has(pid));
    let sum = 0;
    for (const pid of pids) {
      const { name: called, peak } = statusOf(readText(`/proc/${pid}/status`));
      if (called === "") continue;
      const name = roleOf(called, readText(`/proc/${pid}/cmdline`));
      cpu.set(pid, cpuSeconds(readText(`/proc/${pid}/stat`)));
      sum += proportional(readText(`/proc/${pid}/smaps_rollup`));
      processes[name] = Math.max(processes[name] ?? 0, peak);
    }
    peakMiB = Math.max(peakMiB, sum);
  };
  const timer = setInterval(look, every);
  return {
    end() {
      clearInterval(timer);
      const seconds = [...cpu.values()].reduce((all, one) => all + one, 0);
      return { peakMiB: Math.round(peakMiB), processes, cpuSeconds: Number(seconds.toFixed(1)) };
    },
  };
}

/** Name and largest resident size in MiB, from /proc/PID/status. */
export function statusOf(status: string): { name: string; peak: number } {
  const name = /^Name:\t(.*)$/m.exec(status)?.[1] ?? "";
  return { name, peak: Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024) };
}

/** Of Node's processes, what they are for: all have the same name. */
export function roleOf(name: string, commandLine: string): string {
  if (name !== "node" && name !== "MainThread") return name;
  if (/providers\/nixos|pulumi-resource-nixos/.test(commandLine)) return "provider";
  return /@pulumi\/pulumi\/cmd\/run/.test(commandLine) ? "program" : "node";
}

/** Seconds of a processor that a process has had, from /proc/PID/stat, whose clock ticks 100 times a second. */
export function cpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100;
}

/** MiB that a process has for itself, and its part of what it shares, from /proc/PID/smaps_rollup. */
export function proportional(rollup: string): number {
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) / 1024;
}

/** All processes that this one has started, and theirs. */
export function descendants(pid = String(process.pid)): string[] {
  const threads = directoriesIn(`/proc/${pid}/task`);
  const children = threads.flatMap((thread) =>
    readText(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean),
  );
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** All processes of a cgroup and those below it. */
export function pidsBelow(cgroup: string): string[] {
  const own = readText(`${cgroup}/cgroup.procs`).split("\n").filter(Boolean);
  return [...own, ...directoriesIn(cgroup).flatMap((name) => pidsBelow(`${cgroup}/${name}`))];
}

function directoriesIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
