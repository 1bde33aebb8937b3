// Where the contenders meet: a builder, some hosts, a repository with one release after the other, two networks.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type Lab, type LabHost, openLab } from "../../lab/lab.ts";
import { delayed } from "../delay.ts";
import type { DeployRs } from "./deploy-rs.ts";

export const REPOSITORY = "/opt/bench";
const WORKSPACE = "/opt/choiros/workspace";
const FLAKE = new URL("flake.nix", import.meta.url).pathname;
const SCRIPT = new URL("script.sh", import.meta.url).pathname;

/** How the first host of a release is bad: its service ends at once, or runs and does not answer. */
export type Badness = "fails" | "silent";

export interface Release {
  readonly rev: string;
  readonly version: string;
}

export interface WorldOptions {
  readonly hosts: number;
  /** What every switch restarts takes this long to start. */
  readonly restartSeconds: number;
  readonly deployRs: DeployRs;
}

export class World {
  readonly lab: Lab;
  readonly builder: LabHost;
  readonly hosts: readonly LabHost[];
  private count = 0;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.builder = lab.host("grind");
    this.hosts = lab.hosts.filter((host) => host !== this.builder);
  }

  static async open(options: WorldOptions): Promise<World> {
    const names = Array.from({ length: options.hosts }, (_, i) => `bench-${i + 1}`);
    const hosts = ["grind", ...names];
    const lab = await openLab({
      instance: process.env.TEST_LAB ?? "bench-peers",
      hosts,
      log: console.error,
    });
    const world = new World(lab);
    await world.makeRepository(options);
    await world.install();
    await world.logSessions();
    return world;
  }

  get names(): string[] {
    return this.hosts.map(({ name }) => name);
  }

  /** The next releases, all built before anybody is measured: each has a version of its own, a small change. */
  async releases(count: number, bad?: Badness): Promise<Release[]> {
    const releases: Release[] = [];
    for (let i = 0; i < count; i++) releases.push(await this.release(bad));
    const all = releases.map(({ rev }) => `git+file://${REPOSITORY}?rev=${rev}#all`);
    await this.builder.must(["nix", "build", "--no-link", ...all], { timeout: 900_000 });
    return releases;
  }

  /** What the repository of those who deploy a work tree holds. */
  async checkOut({ rev }: Release): Promise<void> {
    await this.git("checkout", "--quiet", rev);
  }

  /** Operator and builder reach the hosts by the same names, over a longer way; until `back`. */
  async far(roundTrip: number): Promise<{ back(): Promise<void> }> {
    const gateway = this.builder.address.replace(/\.\d+$/, ".1");
    const proxies = await Promise.all(
      [...this.hosts, this.builder].map((host) =>
        delayed({ listen: { host: gateway }, to: { host: host.address, port: 22 }, roundTrip }),
      ),
    );
    const block = ({ name }: LabHost, i: number) =>
      `Host ${name}\n  HostName ${gateway}\n  Port ${proxies[i]?.port}\n  HostKeyAlias ${name}\n`;
    const ways = this.hosts.map(block).join("");
    const operators = ways + block(this.builder, this.hosts.length);
    const changed = [
      { file: `${this.lab.dir}/ssh_config`, blocks: operators },
      { file: `${this.builder.root}/root/.ssh/config`, blocks: ways },
    ].map(({ file, blocks }) => ({ file, before: readFileSync(file, "utf8"), blocks }));
    for (const { file, before, blocks } of changed) writeFileSync(file, blocks + before);
    return {
      async back() {
        for (const { file, before } of changed) writeFileSync(file, before);
        for (const proxy of proxies) await proxy.close();
      },
    };
  }

  /** What each host answers to people: its version, or undefined. */
  async versions(): Promise<(string | undefined)[]> {
    return Promise.all(this.hosts.map(versionOf));
  }

  private async makeRepository({ restartSeconds, deployRs }: WorldOptions): Promise<void> {
    await this.builder.must(["git", "clone", "--quiet", WORKSPACE, REPOSITORY]);
    const at = `${this.builder.root}${REPOSITORY}`;
    copyFileSync(FLAKE, `${at}/flake.nix`);
    writeFileSync(`${at}/fleet.json`, JSON.stringify({ hosts: this.names, restartSeconds }));
    if (deployRs.directory === undefined) return;
    mkdirSync(`${at}/deploy-rs`);
    copyFileSync(`${deployRs.directory}/activate`, `${at}/deploy-rs/activate`);
    copyFileSync(`${deployRs.directory}/deploy`, `${this.builder.root}/usr/local/bin/deploy`);
  }

  private async release(bad?: Badness): Promise<Release> {
    const version = `2.${this.count++}.0`;
    const at = `${this.builder.root}${REPOSITORY}`;
    const versions = readFileSync(`${at}/packages/versions.nix`, "utf8");
    writeFileSync(
      `${at}/packages/versions.nix`,
      versions.replace(/hypervisor = "[^"]*"/, `hypervisor = "${version}"`),
    );
    const first = this.names[0] ?? "";
    const badHosts = bad === undefined ? {} : { [first]: bad };
    writeFileSync(`${at}/release.json`, JSON.stringify({ version, bad: badHosts }));
    await this.git("add", "--all");
    const author = ["-c", "user.name=Bench", "-c", "user.email=bench@example.com"];
    await this.git(...author, "commit", "--quiet", "-m", `hypervisor ${version}`);
    return { rev: (await this.git("rev-parse", "HEAD")).trim(), version };
  }

  /** As an installation does: a boot default, then a boot. */
  private async install(): Promise<void> {
    const [first] = (await this.releases(1)) as [Release];
    await Promise.all(
      this.hosts.map(async (host) => {
        const flake = `git+file://${REPOSITORY}?rev=${first.rev}#nixosConfigurations.${host.name}.config.system.build.toplevel`;
        const build = ["nix", "build", "--no-link", "--print-out-paths", flake];
        const toplevel = (await this.builder.must(build)).trim();
        const copy = ["nix", "copy", "--no-check-sigs", "--to", `ssh-ng://${host.name}`, toplevel];
        await this.builder.must(copy);
        await host.must(["nix-env", "-p", "/nix/var/nix/profiles/system", "--set", toplevel]);
        await host.must([`${toplevel}/bin/switch-to-configuration`, "boot"]);
      }),
    );
    for (const host of this.hosts) {
      await host.powerCut();
      await host.boot();
    }
    copyFileSync(SCRIPT, `${this.builder.root}/usr/local/bin/script.sh`);
  }

  /** sshd says each session, so that they can be counted. */
  private async logSessions(): Promise<void> {
    for (const host of this.hosts) {
      writeFileSync(
        `${host.root}/etc/ssh/sshd_config.d/bench.conf`,
        "LogLevel VERBOSE\nMaxStartups 100\n",
      );
      await host.must(["systemctl", "reload", "ssh"]);
    }
  }

  private git(...argv: string[]): Promise<string> {
    return this.builder.must(["git", "-C", REPOSITORY, ...argv]);
  }
}

export async function versionOf({ address }: LabHost): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://${address}/login`, {
      redirect: "manual",
      signal: AbortSignal.timeout(1000),
    });
    const version = /hypervisor ([0-9.]+)\. /.exec(await answer.text())?.[1];
    return answer.status === 200 ? version : undefined;
  } catch {
    return undefined;
  }
}
