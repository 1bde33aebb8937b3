// Where faults happen: one lab for each process, grind that builds and prod that takes any revision.
import { readFileSync, writeFileSync } from "node:fs";
import type { LabHost } from "../../lab/lab.ts";
import type { Ended, Project, PulumiOptions } from "../../lab/project.ts";
import { type Profile, REPOSITORY, type Recorded, World } from "../e2e/world.ts";
import { way } from "./ways.ts";

/** Both are good; the one that prod does not run is what a good row promotes. */
export type Good = "a" | "b";

const PATIENCE = { intervalSeconds: 0.2, deadlineSeconds: 6 };
const SANDBOX = (name: string) => ({
  ...{ name, kind: "http", url: "http://127.0.0.1:8080/health", body: '"status": *"healthy"' },
  ...{ place: ["nixos-container", "run", `sandbox-${name}`, "--"], ...PATIENCE },
});
export const UNITS = [
  "hypervisor.service",
  "container@sandbox-live.service",
  "container@sandbox-dev.service",
  "caddy.service",
];

/** The settings of prod's stack: it builds on grind by itself, so that one `up` is a whole promotion. */
const SETTINGS = {
  host: { name: "choiros-prod", connection: {} },
  release: {
    ...{
      from: "build",
      builder: { kind: "ssh", host: "choiros-grind" },
      repo: REPOSITORY,
      rev: "a",
    },
    ...{ hosts: ["choiros-prod"], components: [] },
    signingKeyFile: "/var/lib/nixos-promote/keys/lab-1.secret",
  },
  copy: { via: "direct", to: "choiros-prod", timeoutSeconds: 60 },
  activation: { confirm: true, timeouts: { switch: 30, confirm: 10, rollback: 30 } },
  health: [
    { name: "hypervisor", kind: "http", url: "http://127.0.0.1:9090/login", ...PATIENCE },
    SANDBOX("live"),
    SANDBOX("dev"),
    { name: "public", kind: "http", url: "http://127.0.0.1/login", ...PATIENCE },
    ...UNITS.map((unit) => ({ name: unit, kind: "unit", unit, ...PATIENCE })),
  ],
};
export type Settings = typeof SETTINGS;

export class Stage {
  readonly world: World;
  readonly prod: LabHost;
  readonly grind: LabHost;
  /** What prod runs, and is meant to run. */
  settled: Good = "a";
  private readonly salt: string;
  private readonly toplevels = new Map<string, Promise<string>>();

  private constructor(world: World) {
    this.world = world;
    this.prod = world.prod;
    this.grind = world.grind;
    const salt = /^encryptionsalt: .*$/m.exec(
      readFileSync(world.project.stackFile("prod"), "utf8"),
    );
    this.salt = salt?.[0] ?? "";
  }

  /** Release a on prod. */
  static async open(): Promise<Stage> {
    const world = await World.open({ ssm: way.kind === "awsSsm" });
    const stage = new Stage(world);
    await stage.up("a");
    return stage;
  }

  get next(): Good {
    return this.settled === "a" ? "b" : "a";
  }

  /** The system that a revision has for prod. */
  toplevel(revision: string): Promise<string> {
    let path = this.toplevels.get(revision);
    if (path === undefined) {
      path = this.world.toplevel(revision, this.prod);
      this.toplevels.set(revision, path);
    }
    return path;
  }

  /** prod starts again, and can be reached. */
  async boot(): Promise<void> {
    await this.prod.boot();
    await this.reachable();
  }

  /** prod is as new, and can be reached. */
  async reset(): Promise<void> {
    await this.prod.reset();
    await this.reachable();
  }

  private async reachable(): Promise<void> {
    if (way.kind === "awsSsm") await this.world.lab.ssm.online();
  }

  /** `pulumi up` of prod with a revision, however it ends. */
  tryUp(revision: string, change = unchanged, options: PulumiOptions = {}): Promise<Ended> {
    this.configure(revision, change);
    const args = ["up", "--yes", "--skip-preview", "--stack", "prod"];
    return this.world.project.pulumi(args, options);
  }

  async up(revision: string): Promise<Ended> {
    const ended = await this.tryUp(revision);
    if (ended.code !== 0) throw new Error(`pulumi up ended with ${ended.code}:\n${ended.output}`);
    return ended;
  }

  /** Writes the stack's settings; JSON is YAML too. */
  configure(revision: string, change = unchanged): void {
    const settings = structuredClone(SETTINGS);
    settings.host.connection = way.connection(this.prod);
    settings.release.rev = revision;
    change(settings);
    const entries = Object.entries(settings).map(
      ([key, value]) => `  choiros:${key}: ${JSON.stringify(value)}`,
    );
    const text = [this.salt, "config:", ...entries, ""].join("\n");
    writeFileSync(this.world.project.stackFile("prod"), text);
  }

  /** prod's settings for another project, which has a salt of its own. */
  configureOther(other: Project, revision: string): void {
    this.configure(revision);
    const [own, theirs] = [this.world.project, other].map((project) => project.stackFile("prod"));
    const text = readFileSync(own ?? "", "utf8").replace(this.salt, saltOf(theirs ?? ""));
    writeFileSync(theirs ?? "", text);
  }

  /** What Pulumi has recorded of prod; read from its file, because the CLI takes a second to say it. */
  recorded(): Profile {
    const file = `${this.world.project.directory}/state/.pulumi/stacks/choiros/prod.json`;
    const { checkpoint } = JSON.parse(readFileSync(file, "utf8")) as {
      checkpoint: { latest: { resources?: Recorded[] } };
    };
    const found = checkpoint.latest.resources?.find(
      ({ type }) => type === "nixos:index:SystemProfile",
    );
    if (found === undefined) throw new Error("the stack holds no system profile");
    return found as unknown as Profile;
  }
}

export function unchanged(_settings: Settings): void {}

/** The hypervisor has to stay healthy for so long: the time in which a row breaks things. */
export function soak(seconds: number, also = unchanged): (settings: Settings) => void {
  return (settings) => {
    Object.assign(settings.health[0] ?? {}, { soakSeconds: seconds });
    also(settings);
  };
}

/** So long the host waits for us. */
export function confirmWithin(seconds: number): (settings: Settings) => void {
  return ({ activation }) => {
    activation.timeouts.confirm = seconds;
  };
}

/** Pulumi's line for the passphrase of a stack. */
function saltOf(stackFile: string): string {
  return /^encryptionsalt: .*$/m.exec(readFileSync(stackFile, "utf8"))?.[0] ?? "";
}

let opened: Promise<Stage> | undefined;

/** The stage of this process; it opens when the first row needs it. */
export function stage(): Promise<Stage> {
  opened ??= Stage.open();
  return opened;
}

// A root hook: this module is loaded once, by whichever file of tests comes first.
after("the lab goes", async function () {
  this.timeout(60_000);
  const stage = await opened?.catch(() => undefined);
  await stage?.world.close();
});
