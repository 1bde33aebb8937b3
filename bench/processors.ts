// What a run costs in processor time: on a busy machine that says more than the clock.
import { loadavg } from "node:os";
import type { LabHost } from "../lab/lab.ts";
import type { Series } from "./report.ts";

/** Seconds on the clock, and of processors: by builder, host, and this process with its proxy. */
export interface Run {
  readonly seconds: number;
  readonly cpu: readonly number[];
  /** Processes that ran or wanted to, of all that is on this machine. */
  readonly load: number;
}

export type Costs = Series & { readonly cpu: number[]; readonly load: number[] };

export async function measured(
  hosts: readonly [LabHost, LabHost],
  what: (() => Promise<void>) | undefined,
): Promise<Run> {
  const used = () => [...hosts.map((host) => host.cpuSeconds()), ownCpuSeconds()];
  const [began, before] = [performance.now(), used()];
  await what?.();
  const seconds = (performance.now() - began) / 1000;
  const cpu = used().map((value, index) => value - (before[index] ?? 0));
  return { seconds, cpu, load: loadavg()[0] ?? 0 };
}

/** Without those of its children, which are small: `ssh` to ask, `nix` of a relay. */
function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function runText({ seconds, cpu, load }: Run): string {
  const [builder, host, proxy] = cpu.map((value) => value.toFixed(2));
  const busy = `processors ${sum(cpu).toFixed(2)} s: builder ${builder}, host ${host}, proxy ${proxy}`;
  return `${seconds.toFixed(2)} s (${busy}; load ${load.toFixed(1)})`;
}

export function listed(runs: readonly Run[]): Omit<Costs, "name"> {
  return {
    seconds: runs.map(({ seconds }) => seconds),
    cpu: runs.map(({ cpu }) => sum(cpu)),
    load: runs.map(({ load }) => load),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
