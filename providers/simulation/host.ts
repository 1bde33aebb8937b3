import type { Description } from "../../contract/description.ts";
import type { HostState } from "../../contract/host-state.ts";
import { type Simulation, simulatedHash, simulatedToplevel } from "../../contract/simulation.ts";
import { storeHash } from "../../contract/store-path.ts";
import type { Verdict } from "../../contract/verdict.ts";
import { Failure } from "../errors.ts";
import type { Command } from "../executors/script.ts";
import { SimulatedJob } from "./job.ts";
import { drawn, randomOf } from "./numbers.ts";

/** What was done to a host, as it is kept between processes. */
export interface Event {
  readonly host: string;
  readonly kind: "has" | "roots" | "unroots" | "runs";
  readonly path: string;
}

export interface World {
  record(event: Event): void;
  arrive(to: string, path: string): void;
}

type Arguments = ReadonlyMap<string, string>;

/** One host of a simulated fleet: it runs release 0 at first, and a builder of that name has every release. */
export class SimulatedHost {
  readonly isUnreachable: boolean;
  readonly random: () => number;
  private readonly name: string;
  private readonly spec: Simulation;
  private readonly world: World;
  private readonly isFailing: boolean;
  private readonly releases = new Set<string>(["0"]);
  private readonly roots: Record<string, string> = {};
  private readonly jobs = new Map<string, SimulatedJob>();
  private current: string;

  constructor(name: string, spec: Simulation, world: World) {
    [this.name, this.spec, this.world] = [name, spec, world];
    // What a host is does not depend on how often it was asked.
    const fate = randomOf(`${spec.seed} ${name} fate`);
    this.isUnreachable = fate() < spec.unreachable && !this.isBuilder;
    this.isFailing = fate() < spec.failing;
    this.random = randomOf(`${spec.seed} ${name} ${Date.now()}`);
    this.current = simulatedToplevel(name, 0);
  }

  apply({ kind, path }: Event): void {
    if (kind === "has") this.releases.add(releaseOf(path));
    if (kind === "roots") this.roots[`closure-${storeHash(path)}`] = path;
    if (kind === "unroots") delete this.roots[`closure-${storeHash(path)}`];
    if (kind === "runs") this.current = path;
  }

  async answer(command: Command, given: Arguments): Promise<object> {
    switch (command) {
      case "observe":
        return this.observe(given);
      case "health":
        return {
          ...{ machineId: machineIdOf(this.name), currentSystem: this.current, reason: null },
          probes: [],
        };
      case "describe":
        return this.describe(given);
      case "missing":
        return this.missing(given);
      case "references":
        return { pieces: listOf(given, "paths").map(() => [this.spec.pathBytes, []]) };
      case "root":
        return this.changeRoots(given);
      case "forget":
        return {};
      case "start":
        return this.start(given);
      case "follow":
        return this.job(given).news(Number(given.get("seen")), Number(given.get("waitSeconds")));
      case "confirm":
        return this.job(given).confirm();
      case "cancel":
        return this.job(given).cancel();
      default:
        throw new Failure("script", `A simulated host cannot ${command}.`);
    }
  }

  private get isBuilder(): boolean {
    return this.name.startsWith("builder");
  }

  private has(path: string): boolean {
    return this.isBuilder || this.releases.has(releaseOf(path));
  }

  private observe(given: Arguments): HostState {
    const name = this.name;
    return {
      ...{ hostname: name, machineId: machineIdOf(name), system: "x86_64-linux" },
      ...{ nixVersion: "2.31.2", nixosVersion: "26.05 (simulated)", bootedSystem: this.current },
      ...{ currentSystem: this.current, profile: this.current, failedUnits: [] },
      units: Object.fromEntries(
        listOf(given, "units").map((unit) => [unit, { ...RUNNING, runs: [this.current] }]),
      ),
      paths: Object.fromEntries(listOf(given, "paths").map((path) => [path, this.has(path)])),
      ...{ roots: this.roots, activation: null, ledger: null, last: null },
    };
  }

  private missing(given: Arguments): { missing: string[]; free: number } {
    const paths = (given.get("paths") ?? "").split("\n").filter(Boolean);
    return { missing: paths.filter((path) => !this.has(path)), free: FREE };
  }

  private describe(given: Arguments): Description {
    const toplevel = given.get("toplevel") ?? "";
    const release = releaseOf(toplevel);
    const { closure, units } = systemOf(release, this.spec);
    return {
      ...{ valid: this.has(toplevel), nixosVersion: `26.05.r${release}`, units },
      closure: given.get("closure") === "true" ? [...closure, [toplevel, this.spec.pathBytes]] : [],
      ...{ kernel: "kernel", initrd: "initrd", kernelParams: "", initInterface: "3" },
      inhibitors: null,
      ...{ etc: {}, accounts: { by: "simulation", users: {}, groups: {} } },
      ...(given.has("after") ? this.after(given.get("after") ?? "") : {}),
      ...(given.has("paths") ? this.missing(given) : {}),
    };
  }

  private after(toplevel: string): Partial<Description> {
    return { unitsAfter: systemOf(releaseOf(toplevel), this.spec).units, etcAfter: {} };
  }

  private changeRoots(given: Arguments): object {
    const added = [...given].filter(([key]) => key.startsWith("add.")).map(([, path]) => path);
    if (!added.every((path) => this.has(path)))
      return {
        error: {
          ...{ code: "invalid-path", message: "Not valid in the store (simulated)." },
          details: { free: FREE },
        },
      };
    for (const [key, path] of given) {
      if (/^(add|expect)\./.test(key)) this.world.record({ host: this.name, kind: "roots", path });
      if (/^remove\.\d/.test(key) && this.roots[path] !== undefined)
        this.world.record({ host: this.name, kind: "unroots", path: this.roots[path] });
    }
    return {};
  }

  private async start(given: Arguments): Promise<object> {
    const id = given.get("id") ?? "";
    const [kind = ""] = id.split("-");
    const path = given.get("path") ?? "";
    const to = /^to\tssh-ng:\/\/(.*)$/m.exec(given.get("argument") ?? "")?.[1] ?? "";
    const asks = /^confirm\ttrue$/m.test(given.get("argument") ?? "");
    let job = this.jobs.get(id);
    if (job === undefined) {
      job = kind === "push" ? this.push(path, to) : this.activate(id, path, asks);
      this.jobs.set(id, job);
    }
    return { started: true, id, ...(await job.news(FIRST_NEWS, Number(given.get("waitSeconds")))) };
  }

  private push(path: string, to: string): SimulatedJob {
    const { changedPaths, pathBytes, copyMiBps } = this.spec;
    const seconds = (changedPaths * pathBytes) / 1048576 / copyMiBps;
    return new SimulatedJob([{ step: "copy", seconds }], () => {
      this.world.arrive(to, path);
      return { copied: changedPaths, seconds };
    });
  }

  private activate(id: string, toplevel: string, asks: boolean): SimulatedJob {
    const seconds = drawn(this.spec.activate, this.random()) / 1000;
    const steps = [{ step: "test", seconds }];
    const confirmation =
      asks && !this.isFailing ? [{ step: "await-confirmation", waits: true }] : [];
    return new SimulatedJob([...steps, ...confirmation], (cancelled) => {
      const before = this.current;
      const goesBack = this.isFailing || cancelled;
      const [outcome, runs] = goesBack
        ? (["rolled-back", before] as const)
        : (["committed", toplevel] as const);
      this.world.record({ host: this.name, kind: "runs", path: runs });
      return verdictOf({ id, outcome, toplevel, before, runs, seconds });
    });
  }

  private job(given: Arguments): SimulatedJob {
    const job = this.jobs.get(given.get("id") ?? "");
    if (job !== undefined) return job;
    throw new Failure(
      "script",
      `${this.name} (simulated) has no job ${given.get("id")}: its process has ended.`,
    );
  }
}

const FREE = 1e12;

/** That it runs: not worth an answer. */
const FIRST_NEWS = 1;

const RUNNING = {
  ...{ load: "loaded", active: "active", sub: "running", result: "success" },
  ...{ fragment: null, dropIns: [], needReload: false, memberOf: true },
};

type System = Pick<Description, "closure" | "units">;
const systems = new Map<string, System>();

/** What the hosts of a release have in common. Made once, so that the simulation has little part in what is measured. */
function systemOf(release: string, spec: Simulation): System {
  const known = systems.get(release) ?? makeSystem(release, spec);
  systems.set(release, known);
  return known;
}

function makeSystem(release: string, spec: Simulation): System {
  const { closurePaths, changedPaths, pathBytes, units } = spec;
  const closure = Array.from({ length: closurePaths - 1 }, (_, i): [string, number] => {
    const name = i < changedPaths - 1 ? `package${i}-1.0-r${release}` : `package${i}-1.0`;
    return [`/nix/store/${simulatedHash(name)}-${name}`, pathBytes];
  });
  const texts = Array.from({ length: units }, (_, i): [string, string] => {
    const program = simulatedHash(`${i}${i === 0 ? `-r${release}` : ""}`);
    return [`unit-${i}.service`, unitText(`/nix/store/${program}-unit-${i}`)];
  });
  return { closure, units: Object.fromEntries(texts) };
}

function unitText(program: string): string {
  return `[Unit]\nDescription=Simulated\nAfter=network.target\n\n[Service]\nExecStart=${program}/bin/run\nRestart=always\n`;
}

/** Every path of the simulation that one release brings says of which it is. */
function releaseOf(path: string): string {
  return /-r(\d+)$/.exec(path)?.[1] ?? "0";
}

function listOf(given: Arguments, name: string): string[] {
  const count = Number(given.get(`${name}.length`) ?? 0);
  return Array.from({ length: count }, (_, i) => given.get(`${name}.${i}`) ?? "");
}

function machineIdOf(name: string): string {
  const random = randomOf(name);
  return Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join("");
}

interface Ended {
  readonly id: string;
  readonly outcome: Verdict["outcome"];
  readonly toplevel: string;
  readonly before: string;
  readonly runs: string;
  readonly seconds: number;
}

function verdictOf({ id, outcome, toplevel, before, runs, seconds }: Ended): Verdict {
  const failed = outcome !== "committed";
  const now = Math.floor(Date.now() / 1000);
  return {
    ...{ id, mode: "switch", outcome, toplevel, advice: null, notes: [], shown: null, links: null },
    failedStep: failed ? "health" : null,
    reason: failed ? "the service is not healthy (simulated)" : null,
    before: { currentSystem: before, profile: before },
    after: { currentSystem: runs, profile: runs },
    switch: { exit: 0, seconds, output: "" },
    rollback: failed ? { exit: 0, seconds } : null,
    ...{ probes: [], healthAfterRollback: null, diagnostics: null, diagnosticsFile: null },
    steps: [{ name: "test", seconds }],
    ...{ startedAt: now - Math.ceil(seconds), finishedAt: now },
  };
}
