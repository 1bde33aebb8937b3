// A stack with many hosts: lab hosts that are alike, and a settings file of their own.
import { writeFileSync } from "node:fs";
import { Instance } from "../../lab/instance.ts";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import { type Ended, Project, type PulumiOptions } from "../../lab/project.ts";
import { eventually, type Recorded } from "./world.ts";

export const REPOSITORY = "/opt/choiros/workspace";
const NAMES = [1, 2, 3, 4, 5, 6].map((number) => `prod-${number}`);
/** Paths of systems under which a host is ill. */
const ILL = "/var/lib/ill-under";

export class FleetWorld {
  readonly lab: Lab;
  readonly project: Project;
  readonly builder: LabHost;
  readonly hosts: readonly LabHost[];

  private constructor(lab: Lab) {
    this.lab = lab;
    this.project = new Project(lab);
    this.builder = lab.host("grind");
    this.hosts = NAMES.map((name) => lab.host(name));
  }

  static async open(): Promise<FleetWorld> {
    const instance = process.env.TEST_LAB ?? "test";
    const used = new Instance(instance).read() !== undefined;
    const lab = await openLab({
      instance,
      hosts: ["grind", ...NAMES],
      ssm: true,
      log: console.error,
    });
    if (used) await Promise.all(lab.hosts.map((host) => host.reset()));
    await lab.ssm.online();
    const world = new FleetWorld(lab);
    world.configure({});
    await world.project.must(["stack", "init", "fleet"]);
    return world;
  }

  host(number: number): LabHost {
    return this.lab.host(`prod-${number}`);
  }

  /** Three waves of one, two and three hosts. `own`: what hosts have of their own, by their names. */
  configure(fleet: object, more: object = {}, own: Record<string, object> = {}): void {
    const ill = ["sh", "-c", `! grep -qxF "$(readlink -f /run/current-system)" ${ILL} 2>/dev/null`];
    const settings = {
      fleet: {
        hosts: Object.fromEntries(
          this.hosts.map(({ name }, index) => [
            name,
            { group: index < 3 ? "east" : "west", ...own[name] },
          ]),
        ),
        defaults: { configuration: "choiros-prod" },
        waves: [
          { name: "canary", count: 1 },
          { name: "east", groups: ["east"] },
        ],
        ...fleet,
      },
      release: {
        from: "build",
        builder: { kind: "ssh", host: "choiros-grind" },
        repo: REPOSITORY,
        rev: "main",
        signingKeyFile: "/var/lib/nixos-promote/keys/lab-1.secret",
      },
      copy: { via: "direct" },
      health: [
        {
          name: "hypervisor",
          kind: "http",
          url: "http://127.0.0.1:9090/login",
          deadlineSeconds: 20,
        },
        { name: "judge", kind: "command", argv: ill, deadlineSeconds: 1 },
      ],
      ...more,
    };
    const config = Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [`choiros:${key}`, value]),
    );
    writeFileSync(`${this.project.directory}/Pulumi.fleet.yaml`, JSON.stringify({ config }));
  }

  /** A binary cache on the builder, served by Caddy: its URL, and where the builder pushes to. */
  async serveCache(): Promise<{ pull: string; push: string }> {
    const [root, port] = ["/srv/cache", 8088];
    await this.builder.must(["mkdir", "-p", root]);
    const run = ["systemd-run", "--quiet", "--unit=cache", "--service-type=exec", "caddy"];
    await this.builder.must([...run, "file-server", "--root", root, "--listen", `:${port}`]);
    const pull = `http://${this.builder.address}:${port}`;
    const asked = ["curl", "-s", "-o", "/dev/null", pull];
    await eventually(
      "the cache is served",
      async () => (await this.builder.exec(asked)).code === 0,
    );
    return { pull, push: `file://${root}` };
  }

  /** From now on, the health of a host fails while it runs that system. */
  async sicken(host: LabHost, system: string): Promise<void> {
    await host.must(["tee", ILL], { input: `${system}\n` });
  }

  async heal(host: LabHost): Promise<void> {
    await host.must(["rm", "-f", ILL]);
  }

  async push(revision: string): Promise<void> {
    await this.builder.must(["git", "-C", REPOSITORY, "reset", "--quiet", "--hard", revision]);
  }

  up(options: PulumiOptions = {}, more: readonly string[] = []): Promise<Ended> {
    return this.project.pulumi(
      ["up", "--yes", "--skip-preview", "--stack", "fleet", ...more],
      options,
    );
  }

  async recorded(): Promise<Recorded[]> {
    const { stdout } = await this.project.must(["stack", "export", "--stack", "fleet"]);
    const state = JSON.parse(stdout) as { deployment: { resources?: Recorded[] } };
    return state.deployment.resources ?? [];
  }

  /** What each host runs for good, in the order of their numbers; one that would boot another system says both. */
  async systems(): Promise<string[]> {
    const script =
      'a=$(readlink -f /run/current-system); b=$(readlink -f /nix/var/nix/profiles/system); [ "$a" = "$b" ] && echo "$a" || echo "$a, boots $b"';
    return Promise.all(
      this.hosts.map(async (host) => (await host.must(["sh", "-c", script])).trim()),
    );
  }

  async toplevel(revision: string): Promise<string> {
    return this.builder.must(["nix", "eval", "--raw", `${await this.#flake(revision)}.outPath`]);
  }

  /** Somebody else has built it: a preview knows what is in it. */
  async build(revision: string): Promise<void> {
    await this.builder.must(["nix", "build", "--no-link", await this.#flake(revision)]);
  }

  async #flake(revision: string): Promise<string> {
    const argv = ["git", "-C", REPOSITORY, "rev-parse", `${revision}^{commit}`];
    const rev = (await this.builder.must(argv)).trim();
    const attribute = "nixosConfigurations.choiros-prod.config.system.build.toplevel";
    return `git+file://${REPOSITORY}?rev=${rev}#${attribute}`;
  }
}
