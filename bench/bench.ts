import { parseArgs } from "node:util";
import { activate } from "./activate.ts";
import { copy } from "./copy.ts";
import { noop } from "./noop.ts";
import { peers, SCENARIOS } from "./peers/peers.ts";
import { plan } from "./plan.ts";
import { planCost } from "./plan-cost.ts";
import { printTable, type Report } from "./report.ts";
import { SPEC, simulatedFleet } from "./simulated-fleet/simulated-fleet.ts";

const benchmarks: Record<string, { about: string; run: () => Promise<Report> | Promise<void> }> = {
  noop: {
    about: "`pulumi up` with nothing to do, drift check included, beside an empty Pulumi program",
    run: noop,
  },
  activate: {
    about: "a transaction on the host, beside plain `switch-to-configuration switch`",
    run: activate,
  },
  copy: {
    about:
      "a closure over each way, beside plain `nix copy` and `tar | ssh | tar`, also with delay",
    run: () => copy(scaled()),
  },
  peers: {
    about: "releases on whole fleets, beside deploy-rs and a plain script, on the same lab hosts",
    run: () => peers(raced()),
  },
  "simulated-fleet": {
    about: "time and memory of hundreds and thousands of hosts that do not exist",
    run: () => simulatedFleet(imagined()),
  },
  plan: {
    about: "what a plan says of units before a switch, beside what systemd says after it",
    run: () => plan(sampled()),
  },
  "plan-cost": {
    about: "a plan of closures of 100, 2,000 and 20,000 paths: calls to the hosts, and time",
    run: planCost,
  },
};

const HELP = `npm run bench -- NAME     measures, prints a table, and as its last line one JSON object

${Object.entries(benchmarks)
  .map(([name, { about }]) => `  ${name.padEnd(16)} ${about}`)
  .join("\n")}

Of copy: --scale 0.1   smaller closures, for a quick look    --rounds 2    --delay 30
         --only NixOS  one case alone    --ways direct,cache
Of peers: --hosts 1,5  sizes of the fleet    --delays 0,30  milliseconds    --rounds 2    --out DIR  for plots
         --only promote,no-op,preview,fails,silent    --restart-seconds 2  of every switch    --deploy-rs DIR
Of simulated-fleet: --hosts 100,1000    --shards 1  stacks    --parallel 64  hosts at a time    --out DIR
         --unreachable 0.01  share of the hosts    --failing 0.01

Of plan: --pairs 125   switches on each of two hosts    --seed 1

ratio = ours / reference, the median of pairs of one run. Nothing is asserted.`;

function scaled() {
  const options = {
    scale: { type: "string", default: "1" },
    rounds: { type: "string", default: "2" },
    delay: { type: "string", default: "30" },
    only: { type: "string", default: "" },
    ways: { type: "string", default: "" },
  } as const;
  const { values } = parseArgs({ args: process.argv.slice(3), options });
  const [scale, rounds, delay] = [values.scale, values.rounds, values.delay].map(Number) as [
    number,
    number,
    number,
  ];
  if (!(scale >= 0.01 && scale <= 10 && rounds >= 1 && delay >= 1 && delay <= 1000))
    throw new Error(
      "--scale is a number from 0.01 to 10, --rounds one from 1, --delay one from 1 to 1000.",
    );
  return { scale, rounds, delay, only: values.only, ways: values.ways.split(",").filter(Boolean) };
}

function raced() {
  const options = {
    hosts: { type: "string", default: "1" },
    delays: { type: "string", default: "0,30" },
    rounds: { type: "string", default: "2" },
    "restart-seconds": { type: "string", default: "0" },
    "deploy-rs": { type: "string", default: "" },
    only: { type: "string", default: "" },
    out: { type: "string", default: "" },
  } as const;
  const { values } = parseArgs({ args: process.argv.slice(3), options });
  const only = values.only.split(",").filter(Boolean);
  const wrong = only.filter((name) => !SCENARIOS.some((scenario) => scenario === name));
  if (wrong.length > 0) throw new Error(`--only ${wrong}: there are ${SCENARIOS.join(", ")}.`);
  return {
    ...{ only, out: values.out, deployRs: values["deploy-rs"] },
    hosts: numbers("--hosts", values.hosts, 1, 60),
    delays: numbers("--delays", values.delays, 0, 1000),
    rounds: numbers("--rounds", values.rounds, 1, 50)[0] ?? 1,
    restartSeconds: numbers("--restart-seconds", values["restart-seconds"], 0, 60)[0] ?? 0,
  };
}

function imagined() {
  const options = {
    hosts: { type: "string", default: "100,1000" },
    shards: { type: "string", default: "1" },
    parallel: { type: "string", default: "64" },
    unreachable: { type: "string", default: "0" },
    failing: { type: "string", default: "0" },
    out: { type: "string", default: "" },
  } as const;
  const { values } = parseArgs({ args: process.argv.slice(3), options });
  const [unreachable, failing] = [Number(values.unreachable), Number(values.failing)];
  return {
    hosts: numbers("--hosts", values.hosts, 1, 100_000),
    shards: numbers("--shards", values.shards, 1, 100)[0] ?? 1,
    parallel: numbers("--parallel", values.parallel, 1, 1000)[0] ?? 1,
    spec: { ...SPEC, unreachable, failing },
    out: values.out,
  };
}

function numbers(option: string, text: string, low: number, high: number): number[] {
  const values = text.split(",").map(Number);
  if (values.every((value) => Number.isInteger(value) && value >= low && value <= high))
    return values;
  throw new Error(`${option} ${text}: whole numbers from ${low} to ${high}, with commas between.`);
}

function sampled() {
  const options = {
    pairs: { type: "string", default: "125" },
    seed: { type: "string", default: "1" },
  } as const;
  const { values } = parseArgs({ args: process.argv.slice(3), options });
  const [pairs, seed] = [Number(values.pairs), Number(values.seed)];
  if (!(Number.isInteger(pairs) && pairs >= 1 && pairs <= 2000 && Number.isInteger(seed)))
    throw new Error("--pairs is a number from 1 to 2000, --seed any whole number.");
  return { pairs, seed };
}

const [name = ""] = process.argv.slice(2);
const benchmark = benchmarks[name];
if (benchmark === undefined) {
  console.log(HELP);
  process.exitCode = ["", "--help", "-h"].includes(name) ? 0 : 2;
} else {
  const report = await benchmark.run();
  if (report) {
    printTable(report);
    console.log(JSON.stringify(report.summary));
  }
}
