// Where the e2e stories happen: two real hosts, this checkout as a Pulumi project, the real CLI.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Instance } from "../../lab/instance.ts";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import { type Ended, Project, type PulumiOptions, type StackName } from "../../lab/project.ts";

export const REPOSITORY = "/opt/choiros/workspace";
const ROOTS = "/nix/var/nix/gcroots/nixos-promote";

/** What Pulumi recorded of a host. */
export interface Profile {
  readonly urn: string;
  readonly inputs: { readonly toplevel: string; readonly rev: string; readonly connection: object };
  readonly outputs: {
    readonly live: { readonly currentSystem: string | null; readonly profile: string | null };
    readonly drift: string[];
    readonly transaction: { readonly id: string; readonly outcome: string } | null;
  };
}

export interface Recorded {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs?: Record<string, unknown>;
  readonly outputs?: Record<string, unknown>;
}

export class World {
  readonly lab: Lab;
  readonly project: Project;
  readonly grind: LabHost;
  readonly prod: LabHost;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.project = new Project(lab);
    this.grind = lab.host("grind");
    this.prod = lab.host("prod");
  }

  /** Both hosts as new, both stacks empty. Probes give up sooner than in production. */
  static async open({ ssm = false, hosts = ["grind", "prod"] } = {}): Promise<World> {
    const instance = process.env.TEST_LAB ?? "test";
    const used = new Instance(instance).read() !== undefined;
    const lab = await openLab({ instance, hosts, ssm, log: console.error });
    if (used) await Promise.all(lab.hosts.map((host) => host.reset()));
    if (ssm) await lab.ssm.online();
    const world = new World(lab);
    for (const stack of ["grind", "prod"] as const)
      world.configure(stack, /deadlineSeconds: \d+/g, "deadlineSeconds: 20");
    await world.project.initStacks();
    return world;
  }

  /** Release a on both hosts. */
  static async settled(): Promise<World> {
    const world = await World.open();
    await world.up("grind");
    await world.up("prod");
    return world;
  }

  async close(): Promise<void> {
    await this.lab.close();
  }

  /** What a push to the main branch of the builder's repository does. */
  async push(revision: string): Promise<void> {
    await this.grind.must(["git", "-C", REPOSITORY, "reset", "--quiet", "--hard", revision]);
  }

  /** Changes the stack's settings file; the text must be there. */
  configure(stack: StackName, from: string | RegExp, to: string): void {
    const file = this.project.stackFile(stack);
    const before = readFileSync(file, "utf8");
    const after = before.replace(from, to);
    assert.notEqual(after, before, `${file} does not hold ${from}`);
    writeFileSync(file, after);
  }

  /** Gives a stack this [activation], in the place of any other. */
  configureActivation(stack: StackName, settings: string): void {
    const file = this.project.stackFile(stack);
    const others = readFileSync(file, "utf8").replace(/ {2}choiros:activation: .*\n/, "");
    const line = settings === "" ? "" : `  choiros:activation: {${settings}}\n`;
    writeFileSync(file, others.replace("config:\n", `config:\n${line}`));
  }

  up(stack: StackName, options: PulumiOptions = {}, more: readonly string[] = []): Promise<Ended> {
    const args = ["up", "--yes", "--skip-preview", "--stack", stack, ...more];
    return this.project.must(args, options);
  }

  /** An `up` that must fail; what it prints. */
  async failingUp(stack: StackName, options: PulumiOptions = {}): Promise<string> {
    const args = ["up", "--yes", "--skip-preview", "--stack", stack];
    const ended = await this.project.pulumi(args, options);
    assert.notEqual(ended.code, 0, `pulumi up should have failed:\n${ended.output}`);
    return ended.output;
  }

  async preview(stack: StackName): Promise<string> {
    return (await this.project.must(["preview", "--stack", stack])).output;
  }

  /** The resources in a stack's state. */
  async recorded(stack: string): Promise<Recorded[]> {
    const { stdout } = await this.project.must(["stack", "export", "--stack", stack]);
    const state = JSON.parse(stdout) as { deployment: { resources?: Recorded[] } };
    return state.deployment.resources ?? [];
  }

  async recordedOf(stack: string, type: string): Promise<Recorded> {
    const found = (await this.recorded(stack)).find((resource) => resource.type === type);
    assert.ok(found, `the stack ${stack} holds no ${type}`);
    return found;
  }

  async profile(stack: string): Promise<Profile> {
    return (await this.recordedOf(stack, "nixos:index:SystemProfile")) as unknown as Profile;
  }

  /** The toplevel that a revision has for a host, by evaluation on the builder. */
  async toplevel(revision: string, host: LabHost): Promise<string> {
    const attribute = `nixosConfigurations.${host.name}.config.system.build.toplevel.outPath`;
    const rev = await this.grind.must([
      "git",
      "-C",
      REPOSITORY,
      "rev-parse",
      `${revision}^{commit}`,
    ]);
    const flake = `git+file://${REPOSITORY}?rev=${rev.trim()}#${attribute}`;
    return this.grind.must(["nix", "eval", "--raw", flake]);
  }

  /** The lines of a stack's settings file that say how to reach its host. */
  connect(stack: StackName, connection: string): void {
    this.configure(stack, /connection: \{.*\}/, `connection: ${connection}`);
  }

  /** What people see of a host. */
  async login(host: LabHost): Promise<{ status: number; body: string }> {
    const answer = await fetch(`http://${host.address}/login`, { redirect: "manual" });
    return { status: answer.status, body: await answer.text() };
  }
}

/** What a host runs and would boot. */
export interface Pointers {
  readonly currentSystem: string;
  readonly profile: string;
  /** system-2-link: moves with every change of the profile. */
  readonly generation: string;
  readonly bootDefault: string;
}

export async function pointers(host: LabHost): Promise<Pointers> {
  const profile = "/nix/var/nix/profiles/system";
  const script =
    'readlink -f /run/current-system "$1"; readlink "$1"; head -n 1 /boot/loader/default';
  const said = await host.must(["bash", "-c", script, "bash", profile]);
  const [currentSystem = "", target = "", generation = "", bootDefault = ""] = said.split("\n");
  return { currentSystem, profile: target, generation, bootDefault };
}

/** Asserts that a host runs a system for good. */
export async function assertRuns(host: LabHost, toplevel: string): Promise<void> {
  const { currentSystem, profile, bootDefault } = await pointers(host);
  assert.deepEqual(
    { currentSystem, profile, bootDefault },
    { currentSystem: toplevel, profile: toplevel, bootDefault: toplevel },
  );
}

/** Every service by name, with what changes whenever it is started: its invocation and its restarts. */
export async function invocations(host: LabHost): Promise<Record<string, string>> {
  const properties = "Id,ActiveState,InvocationID,NRestarts";
  const said = await host.must(["systemctl", "show", "--property", properties, "*.service"]);
  const services = said.split("\n\n").map((block) => {
    const entries = block
      .trim()
      .split("\n")
      .map((line) => line.split("=", 2) as [string, string]);
    return Object.fromEntries(entries);
  });
  return Object.fromEntries(
    services
      .filter(({ Id = "" }) => Id !== "" && !Id.startsWith("nixos-promote-"))
      .map(({ Id, ActiveState, InvocationID, NRestarts }) => [
        Id,
        `${ActiveState} ${InvocationID} ${NRestarts}`,
      ]),
  );
}

/** The services that were started, stopped or restarted in between. */
export function touched(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => before[name] !== after[name]).sort();
}

/** Our gc roots on a host. */
export async function roots(host: LabHost): Promise<Record<string, string>> {
  const said = await host.must(["find", ROOTS, "-type", "l", "-printf", "%f %l\\n"]);
  const lines = said.split("\n").filter(Boolean);
  return Object.fromEntries(lines.map((line) => line.split(" ") as [string, string]));
}

export async function isActive(host: LabHost, unit: string): Promise<boolean> {
  return (await host.exec(["systemctl", "is-active", "--quiet", unit])).code === 0;
}

/** A place in the host's journal. */
export async function journalEnd(host: LabHost): Promise<string> {
  const said = await host.must([
    "journalctl",
    "--quiet",
    "--lines=1",
    "--output=json",
    "--no-pager",
  ]);
  return (JSON.parse(said) as { __CURSOR: string }).__CURSOR;
}

/** Lines that a switch or a job of ours has left in the journal since then. */
export async function switchesSince(host: LabHost, cursor: string): Promise<string[]> {
  const argv = ["journalctl", "--quiet", "--no-pager", "--output=cat", `--after-cursor=${cursor}`];
  const lines = (await host.must(argv)).split("\n");
  return lines.filter((line) => /switching to system configuration|nixos-promote job/.test(line));
}

/** Waits for something that comes by itself. */
export async function eventually(
  what: string,
  is: () => Promise<boolean> | boolean,
  seconds = 20,
): Promise<void> {
  const giveUp = Date.now() + seconds * 1000;
  while (!(await is())) {
    assert.ok(Date.now() < giveUp, `not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}
