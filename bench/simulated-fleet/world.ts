// A project whose hosts do not exist: its settings, its manifest, its state and the simulation, in one directory.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { releaseId } from "../../contract/release-id.ts";
import { SIMULATION, type Simulation, simulatedToplevel } from "../../contract/simulation.ts";
import { type Ended, Project } from "../../lab/project.ts";

export interface WorldOptions {
  readonly hosts: number;
  /** Stacks that share the hosts between them. */
  readonly shards: number;
  readonly spec: Simulation;
  /** How many hosts are worked on at the same time, by the engine and by the fleet's own limits. */
  readonly parallel: number;
}

export class SimulatedWorld {
  readonly stacks: readonly string[];
  private readonly directory: string;
  private readonly project: Project;
  private readonly options: WorldOptions;

  private constructor(directory: string, options: WorldOptions) {
    [this.directory, this.options] = [directory, options];
    this.stacks = Array.from({ length: options.shards }, (_, i) => `region-${i + 1}`);
    mkdirSync(`${directory}/simulation`);
    writeFileSync(`${directory}/simulation/simulation.json`, JSON.stringify(options.spec));
    this.project = new Project({
      dir: directory,
      env: {
        ...{ PULUMI_CONFIG_PASSPHRASE: "simulated", PULUMI_SKIP_UPDATE_CHECK: "true" },
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
        [SIMULATION]: `${directory}/simulation`,
      },
    });
  }

  static async open(options: WorldOptions): Promise<SimulatedWorld> {
    const world = new SimulatedWorld(mkdtempSync(`${tmpdir()}/nixos-promote-simulated-`), options);
    for (const stack of world.stacks) {
      writeFileSync(world.settingsFile(stack), "{}\n");
      await world.project.must(["stack", "init", stack]);
    }
    return world;
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** From now on, this release is the one that all hosts are to run. */
  release(number: number): void {
    for (const [i, stack] of this.stacks.entries()) {
      const hosts = hostNames(this.options.hosts).filter((_, at) => at % this.stacks.length === i);
      const manifest = `manifest-${stack}.json`;
      writeFileSync(
        `${this.project.directory}/${manifest}`,
        JSON.stringify(manifestOf(hosts, number)),
      );
      const file = this.settingsFile(stack);
      const salt = /^encryptionsalt: .*\n/m.exec(readFileSync(file, "utf8"))?.[0] ?? "";
      writeFileSync(file, settingsOf(hosts, manifest, this.options) + salt);
    }
  }

  pulumi(stack: string, ...args: string[]): Promise<Ended> {
    const parallel = args[0] === "refresh" || args[0] === "up" || args[0] === "preview";
    const how = parallel ? ["--parallel", String(this.options.parallel)] : [];
    return this.project.pulumi([...args, ...how, "--stack", stack]);
  }

  /** MiB of what Pulumi keeps of all stacks. */
  stateMiB(): number {
    const directory = `${this.project.directory}/state/.pulumi/stacks/choiros`;
    const files = readdirSync(directory).filter((name) => name.endsWith(".json"));
    const bytes = files.reduce((sum, name) => sum + statSync(`${directory}/${name}`).size, 0);
    return Number((bytes / 1048576).toFixed(1));
  }

  private settingsFile(stack: string): string {
    return `${this.project.directory}/Pulumi.${stack}.yaml`;
  }
}

export function hostNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `sim-${i + 1}`);
}

function manifestOf(hosts: readonly string[], release: number): object {
  const built = (host: string) => ({
    ...{ path: simulatedToplevel(host, release), system: "x86_64-linux", closureSize: 1 },
    ...{ narHash: `sha256-${"A".repeat(43)}=`, narSize: 1 },
  });
  const content = {
    schema: 2 as const,
    ...{ rev: String(release).padStart(40, "0"), subject: `release ${release}` },
    ...{ committedAt: 1, builtAt: 1, flakeRef: "git+file:///simulated", nixVersion: "2.31.2" },
    hosts: Object.fromEntries(hosts.map((host) => [host, built(host)])),
    components: {},
  };
  return { ...content, id: releaseId(content) };
}

function settingsOf(
  hosts: readonly string[],
  manifest: string,
  { parallel }: WorldOptions,
): string {
  const connection = (name: string) => ({ kind: "simulated", name });
  const config = {
    "choiros:fleet": {
      hosts: Object.fromEntries(
        hosts.map((name) => [name, { connection: connection(name), address: name }]),
      ),
      maxInFlight: parallel,
    },
    "choiros:release": { from: "manifest", file: manifest, builder: connection("builder") },
    "choiros:copy": { via: "direct", maxInFlight: parallel },
    "choiros:health": [{ name: "service", kind: "unit", unit: "unit-1.service" }],
  };
  return `config: ${JSON.stringify(config)}\n`;
}
