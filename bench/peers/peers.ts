import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { emptyProgram, TEMPLATE } from "../empty-program.ts";
import { barChart } from "../plot.ts";
import { median } from "../report.ts";
import {
  type Contender,
  deployRs,
  NIXOS_REBUILD,
  ours,
  plainScript,
  requireGood,
} from "./contenders.ts";
import { findDeployRs } from "./deploy-rs.ts";
import { type Cost, Meter } from "./measure.ts";
import { type AfterBad, badRelease } from "./outage.ts";
import { printPeers } from "./table.ts";
import { type Badness, World } from "./world.ts";

export interface PeersOptions {
  /** Sizes of the fleet, each in a lab of its own. */
  readonly hosts: readonly number[];
  /** Milliseconds that a network adds to a round trip. */
  readonly delays: readonly number[];
  readonly rounds: number;
  readonly restartSeconds: number;
  readonly deployRs: string;
  /** Where plots go; empty: none. */
  readonly out: string;
  /** Scenarios; empty: all. */
  readonly only: readonly string[];
}

export const SCENARIOS = ["promote", "no-op", "preview", "fails", "silent"] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** One contender in one scenario, on one network, with so many hosts. */
export interface Row {
  readonly hosts: number;
  readonly delay: number;
  readonly scenario: Scenario | "empty pulumi up";
  readonly contender: string;
  readonly seconds: number[];
  readonly cost?: Cost;
  readonly after?: AfterBad[];
  readonly missing?: string;
}

/** We and others put the same kind of release on the same hosts, in turn. */
export async function peers(options: PeersOptions): Promise<void> {
  const load = loadavg().map((value) => value.toFixed(1));
  const rows: Row[] = [];
  for (const hosts of options.hosts) rows.push(...(await race(hosts, options)));
  rows.push({
    ...{ hosts: 0, delay: 0, scenario: "promote", contender: "nixos-rebuild", seconds: [] },
    missing: NIXOS_REBUILD,
  });
  printPeers(rows);
  if (options.out !== "") plot(rows, options.out);
  console.log(JSON.stringify({ name: "peers", load, rounds: options.rounds, rows }));
}

async function race(hosts: number, options: PeersOptions): Promise<Row[]> {
  const found = await findDeployRs(options.deployRs);
  const world = await World.open({
    ...{ hosts, restartSeconds: options.restartSeconds, deployRs: found },
  });
  try {
    const meter = new Meter(world);
    const all = [await ours(world, meter.env), deployRs(world, found), plainScript(world)];
    const floor = await emptyProgram(world.lab, "template", TEMPLATE, [
      ...["up", "--yes", "--skip-preview"],
    ]);
    const rows: Row[] = all.flatMap(({ name, missing }) =>
      missing === undefined
        ? []
        : [{ hosts, delay: 0, scenario: "promote", contender: name, seconds: [], missing }],
    );
    const contenders = all.filter(({ missing }) => missing === undefined);
    for (const delay of options.delays) {
      const network = delay === 0 ? undefined : await world.far(delay);
      const at = { world, meter, contenders, hosts, delay, options };
      rows.push(...(await goodReleases(at, floor)));
      for (const kind of ["fails", "silent"] as const)
        if (isWanted(kind, options)) rows.push(...(await badReleases(at, kind)));
      await network?.back();
    }
    return rows;
  } finally {
    await world.lab.close();
  }
}

interface At {
  readonly world: World;
  readonly meter: Meter;
  readonly contenders: readonly Contender[];
  readonly hosts: number;
  readonly delay: number;
  readonly options: PeersOptions;
}

function isWanted(scenario: Scenario, { only }: PeersOptions): boolean {
  return only.length === 0 || only.includes(scenario);
}

/** Promote, then again with nothing to do, then a look at another release. The first round counts all but time. */
async function goodReleases(at: At, floor: () => Promise<number>): Promise<Row[]> {
  const { world, meter, contenders, options, hosts, delay } = at;
  const rows = new Map<string, { seconds: number[]; cost?: Cost }>();
  const note = (key: string) => {
    const row = rows.get(key) ?? { seconds: [] };
    rows.set(key, row);
    return row;
  };
  for (let round = 0; round <= options.rounds; round++) {
    const empty = await floor();
    if (round > 0) note("empty pulumi up|empty program").seconds.push(empty);
    for (const contender of contenders) {
      const [release, next] = await world.releases(2);
      if (release === undefined || next === undefined) throw new Error("no releases");
      const steps = [
        { scenario: "promote", run: () => contender.promote(release) },
        { scenario: "no-op", run: () => contender.promote(release) },
        { scenario: "preview", run: () => contender.preview(next) },
      ] as const;
      for (const { scenario, run } of steps) {
        if (scenario !== "promote" && !isWanted(scenario, options)) continue;
        const row = note(`${scenario}|${contender.name}`);
        const must = async () => requireGood(`${contender.name}: ${scenario}`, await run());
        if (round === 0) row.cost = await meter.cost(must);
        else row.seconds.push((await must()).seconds);
        console.error(
          `${hosts} hosts, ${delay} ms, ${scenario}: ${contender.name} ${row.seconds.at(-1)?.toFixed(2) ?? "counted"}`,
        );
      }
      const wrong = (await world.versions()).filter((version) => version !== release.version);
      if (wrong.length > 0)
        throw new Error(`${contender.name} left ${wrong} instead of ${release.version}.`);
    }
  }
  return [...rows].map(([key, row]) => {
    const [scenario = "", contender = ""] = key.split("|");
    return { hosts, delay, scenario: scenario as Row["scenario"], contender, ...row };
  });
}

/** The first host cannot live with the release: what is left of the fleet, and for how long the host is ill. */
async function badReleases(at: At, kind: Badness): Promise<Row[]> {
  const { world, contenders, options, hosts, delay } = at;
  const [good] = contenders.filter(({ name }) => name === "nix copy, ssh, switch");
  const rows = contenders.map(({ name }) => ({
    ...{ hosts, delay, scenario: kind, contender: name },
    ...{ seconds: [] as number[], after: [] as AfterBad[] },
  }));
  for (let round = 0; round < Math.max(1, options.rounds - 1); round++)
    for (const [i, contender] of contenders.entries()) {
      const [right, before] = await world.releases(2);
      const [bad] = await world.releases(1, kind);
      if (right === undefined || before === undefined || bad === undefined || good === undefined)
        throw new Error("no releases");
      // Whoever leaves a host ill is not made to mend it; but the release to go back to is one's own.
      requireGood("putting all hosts right", await good.promote(right));
      requireGood(contender.name, await contender.promote(before));
      const after = await badRelease(world, { before, bad }, () => contender.promote(bad));
      rows[i]?.seconds.push(after.seconds);
      rows[i]?.after.push(after);
      console.error(
        `${hosts} hosts, ${delay} ms, ${kind}: ${contender.name} ${JSON.stringify(after)}`,
      );
    }
  return rows;
}

function plot(rows: readonly Row[], directory: string): void {
  mkdirSync(directory, { recursive: true });
  const kinds = new Set(
    rows.filter(({ seconds }) => seconds.length > 0).map(({ hosts, delay }) => `${hosts} ${delay}`),
  );
  for (const kind of kinds) {
    const [hosts, delay] = kind.split(" ").map(Number);
    const of = rows.filter(
      (row) => row.hosts === hosts && row.delay === delay && row.seconds.length > 0,
    );
    const bars = of.map(({ scenario, contender, seconds }) => ({
      ...{ group: scenario, name: contender, value: median(seconds) },
    }));
    const title = `${hosts} ${hosts === 1 ? "host" : "hosts"}, ${delay} ms of round trip: seconds, median`;
    writeFileSync(`${directory}/peers-${hosts}-hosts-${delay}-ms.svg`, barChart({ title, bars }));
  }
}
