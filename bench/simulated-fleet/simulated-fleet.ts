import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import type { Simulation } from "../../contract/simulation.ts";
import { descendants, type Memory, watchMemory } from "../memory.ts";
import { lineChart } from "../plot.ts";
import { SimulatedWorld } from "./world.ts";

/** As of hosts in other regions: a tenth of a second for a call, seconds for a switch, a small part of a large closure to copy. */
export const SPEC: Simulation = {
  seed: 1,
  connect: { medianMs: 120, p99Ms: 900 },
  answer: { medianMs: 60, p99Ms: 500 },
  activate: { medianMs: 4000, p99Ms: 15000 },
  ...{ unreachable: 0, failing: 0 },
  ...{ closurePaths: 1200, changedPaths: 12, pathBytes: 1_500_000, units: 120, copyMiBps: 50 },
};

export interface SimulatedFleetOptions {
  readonly hosts: readonly number[];
  readonly shards: number;
  readonly parallel: number;
  readonly spec: Simulation;
  /** Where plots go; empty: none. */
  readonly out: string;
}

/** Commands in their order, each with the release that it is about. */
const STEPS = [
  { step: "first up", release: 1, args: ["up", "--yes", "--skip-preview"] },
  { step: "no-op", release: 1, args: ["up", "--yes", "--skip-preview"] },
  { step: "preview", release: 2, args: ["preview"] },
  { step: "up", release: 2, args: ["up", "--yes", "--skip-preview"] },
  { step: "refresh", release: 2, args: ["refresh", "--yes", "--skip-preview"] },
];

interface Row {
  readonly hosts: number;
  readonly shards: number;
  readonly step: string;
  /** Of all shards, one after the other. */
  readonly seconds: number;
  readonly memory: Memory;
  readonly stateMiB: number;
  /** The command's own end: all hosts well. */
  readonly good: boolean;
}

/** How time and memory grow with the fleet. The hosts do not exist; all else is what production runs. */
export async function simulatedFleet(options: SimulatedFleetOptions): Promise<void> {
  const load = loadavg().map((value) => value.toFixed(1));
  const rows: Row[] = [];
  for (const hosts of options.hosts) {
    const world = await SimulatedWorld.open({ ...options, hosts });
    try {
      for (const each of STEPS) rows.push(await take(world, hosts, each));
    } finally {
      world.close();
    }
  }
  if (options.out !== "") plot(rows, options.out);
  const { shards, parallel, spec } = options;
  console.log(JSON.stringify({ name: "simulated-fleet", load, shards, parallel, spec, rows }));
}

async function take(
  world: SimulatedWorld,
  hosts: number,
  { step, release, args }: (typeof STEPS)[number],
): Promise<Row> {
  world.release(release);
  let seconds = 0;
  let good = true;
  const watch = watchMemory(() => descendants(), 250);
  for (const stack of world.stacks) {
    const ended = await world.pulumi(stack, ...args);
    seconds += ended.seconds;
    good &&= ended.code === 0;
    if (ended.code !== 0) console.error(ended.output.slice(-2000));
  }
  const memory = watch.end();
  const shards = world.stacks.length;
  const row = { hosts, shards, step, seconds, memory, stateMiB: world.stateMiB(), good };
  say(row);
  return row;
}

function say({ hosts, shards, step, seconds, memory, stateMiB, good }: Row): void {
  const processes = Object.entries(memory.processes)
    .filter(([, peak]) => peak >= 20)
    .map(([name, peak]) => `${name} ${peak}`);
  console.log(
    `${String(hosts).padStart(6)} hosts, ${shards} ${shards === 1 ? "stack" : "stacks"}  ${step.padEnd(9)}` +
      `${seconds.toFixed(1).padStart(8)} s ${memory.cpuSeconds.toFixed(1).padStart(8)} s of CPU ${String(memory.peakMiB).padStart(6)} MiB  ` +
      `state ${stateMiB} MiB  (${processes.join(", ")})${good ? "" : "  FAILED"}`,
  );
}

function plot(rows: readonly Row[], directory: string): void {
  mkdirSync(directory, { recursive: true });
  const good = rows.filter((row) => row.good);
  const curves = (of: (row: Row) => number) =>
    STEPS.map(({ step }) => ({
      name: step,
      points: good.filter((row) => row.step === step).map((row) => [row.hosts, of(row)] as const),
    })).filter(({ points }) => points.length > 0);
  const draw = (name: string, title: string, y: string, of: (row: Row) => number) =>
    writeFileSync(
      `${directory}/simulated-fleet-${name}.svg`,
      lineChart({ title, x: "hosts", y, curves: curves(of) }),
    );
  draw("seconds", "Simulated fleet: time", "seconds", ({ seconds }) => seconds);
  draw("memory", "Simulated fleet: all processes together", "MiB", ({ memory }) => memory.peakMiB);
}
