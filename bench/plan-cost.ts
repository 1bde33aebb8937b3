import { readFileSync, writeFileSync } from "node:fs";
import { likeNixos, put } from "../lab/closures.ts";
import { openLab } from "../lab/lab.ts";
import { getPlan } from "../providers/nixos/get-plan.ts";
import { forgetObservations } from "../providers/nixos/observation.ts";
import type { Plan } from "../providers/nixos/plan/plan.ts";
import { countingSsh } from "./counting-ssh.ts";
import { median, type Report } from "./report.ts";

const SIZES = [100, 2_000, 20_000];
const ROUNDS = 5;
const SECONDS_PER_1000_PATHS = 0.05;

interface Cost {
  readonly paths: number;
  readonly seconds: number[];
  /** Calls to the host that is planned for, and to the builder. */
  readonly host: number;
  readonly builder: number;
}

/** What a plan costs by the size of the closure: calls to each host, and time over that of a closure of one path. */
export async function planCost(): Promise<Report> {
  const lab = await openLab({ instance: "bench-plan-cost", log: console.error });
  try {
    const calls = `${lab.dir}/ssh-calls`;
    Object.assign(process.env, lab.env);
    process.env["PATH"] = `${countingSsh(lab.dir, calls)}:${lab.env["PATH"]}`;
    const costs: Cost[] = [];
    const tops: [number, string][] = [];
    for (const paths of [1, ...SIZES]) {
      const closure = likeNixos(paths, paths * 2_000);
      tops.push([
        paths,
        (await put(lab.host("grind"), `plan-${paths}`, closure, false)).at(-1) ?? "",
      ]);
    }
    // In turn, so that a machine that slows down slows all.
    const seconds = new Map<number, number[]>();
    for (let round = 0; round <= ROUNDS; round++)
      for (const [paths, toplevel] of tops) {
        const cost = await once(paths, toplevel, calls);
        if (round === 0) costs.push(cost);
        else seconds.set(paths, [...(seconds.get(paths) ?? []), ...cost.seconds]);
      }
    return reportOf(costs.map((cost) => ({ ...cost, seconds: seconds.get(cost.paths) ?? [] })));
  } finally {
    await lab.close();
  }
}

async function once(paths: number, toplevel: string, calls: string): Promise<Cost> {
  forgetObservations();
  writeFileSync(calls, "");
  const began = performance.now();
  const plan = (await getPlan.call(inputsFor(toplevel))) as Plan;
  const seconds = [(performance.now() - began) / 1000];
  const lines = readFileSync(calls, "utf8").split("\n");
  const sessions = (host: string) => lines.filter((line) => line.includes(` ${host} `)).length;
  if (!plan.built || plan.copy.paths !== paths)
    throw new Error(`The plan of ${paths} paths says ${plan.copy.paths}.`);
  console.error(`${paths} paths: ${seconds[0]?.toFixed(2)} s`);
  return { paths, seconds, host: sessions("choiros-prod"), builder: sessions("choiros-grind") };
}

function inputsFor(toplevel: string): Parameters<typeof getPlan.call>[0] {
  return {
    ...{ connection: { kind: "ssh", host: "choiros-prod" }, host: "choiros-prod", mode: "switch" },
    ...{ rev: "0".repeat(40), subject: "a closure of some size", toplevel, probes: [] },
    builder: { kind: "ssh", host: "choiros-grind" },
    transport: {
      via: "direct",
      builder: { kind: "ssh", host: "choiros-grind" },
      to: "choiros-prod",
    },
  };
}

/** `ours`: milliseconds for each 1,000 paths of the largest closure; `reference` is what they may cost. */
function reportOf(costs: readonly Cost[]): Report {
  const [smallest] = costs;
  const base = median(smallest?.seconds ?? []);
  const rows = costs.map(({ paths, seconds, host, builder }) => {
    const most = base + (paths / 1000) * SECONDS_PER_1000_PATHS;
    const took = median(seconds);
    const perThousand = paths < 1000 ? null : Math.round(((took - base) / paths) * 1_000_000);
    return {
      paths,
      seconds: round(took),
      most: round(most),
      millisecondsPer1000: perThousand,
      host,
      builder,
    };
  });
  const largest = rows.at(-1);
  const [ours, reference] = [largest?.millisecondsPer1000 ?? 0, SECONDS_PER_1000_PATHS * 1000];
  const series = costs.map(({ paths, seconds }) => ({ name: `plan, ${paths} paths`, seconds }));
  return {
    series,
    summary: {
      name: "plan-cost",
      ours,
      reference,
      ratio: round(ours / reference),
      rows,
      rounds: ROUNDS,
    },
  };
}

function round(value: number): number {
  return Number(value.toFixed(3));
}
