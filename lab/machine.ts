// One lab host: an overlay on the cached layers, booted by systemd-nspawn in a network namespace of its own.
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { cgroup, killCgroup } from "./cgroup.ts";
import { dress, introduce } from "./dress.ts";
import type { HostRecord, Instance, InstanceRecord } from "./instance.ts";
import { connectHost, disconnectHost } from "./network.ts";
import {
  identify,
  isAlive,
  LabError,
  must,
  type ProcessId,
  type Ran,
  type RunOptions,
  run,
  until,
} from "./process.ts";

const INSIDE_PATH =
  "/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export class Machine {
  readonly instance: Instance;
  readonly record: InstanceRecord;
  readonly host: HostRecord;
  readonly dir: string;
  /** The host's file system, seen from outside (without /run, /proc, /dev, /tmp). */
  readonly root: string;

  constructor(instance: Instance, record: InstanceRecord, host: HostRecord) {
    this.instance = instance;
    this.record = record;
    this.host = host;
    this.dir = instance.path("hosts", host.name);
    this.root = join(this.dir, "root");
  }

  /** Make it if it is not there, boot it if it is not up or does not answer on ssh. */
  async ensure(): Promise<void> {
    if (this.isRunning()) {
      await connectHost(this.instance, this.host);
      if (await answersSsh(this.host.address, 5_000)) return;
    }
    await this.kill();
    await this.prepare();
    await this.boot();
  }

  /** The overlay, with this host's own identity and keys in it. */
  async prepare(): Promise<void> {
    const prepared = this.isPrepared();
    if (!prepared) await this.erase();
    await this.mount();
    if (prepared) return;
    dress(this.root, this.instance, this.record, this.host);
    writeFileSync(join(this.dir, "prepared"), "");
  }

  isPrepared(): boolean {
    return existsSync(join(this.dir, "prepared"));
  }

  /** Tell it of hosts that came after it. */
  meetNeighbours(): void {
    introduce(this.root, this.instance, this.record, this.host);
  }

  /** Start the host and wait until sshd answers. Not for a host that runs. */
  async boot(): Promise<void> {
    await connectHost(this.instance, this.host);
    this.start();
    if (await answersSsh(this.host.address, 30_000, () => this.nspawn() !== undefined)) return;
    const console = readFileSync(join(this.dir, "console.log"), "utf8")
      .trim()
      .split("\n")
      .slice(-20);
    await this.kill();
    throw new LabError(
      `The host ${this.host.name} did not come up: no answer from sshd. The end of its console:\n  ${console.join("\n  ")}`,
    );
  }

  /** Every process ends at once, and neighbours hear nothing more; files stay as they are. */
  async kill(): Promise<void> {
    await disconnectHost(this.instance, this.host);
    await killCgroup(cgroup(this.instance, this.host.name));
    rmSync(join(this.dir, "pid"), { force: true });
    removeNspawnTraces(this.nspawnName, this.root);
  }

  /** Back to the state after provisioning: a fresh upper layer. Leaves the host down. */
  async erase(): Promise<void> {
    await this.kill();
    await this.unmount();
    await must(["rm", "-rf", "--one-file-system", this.dir]);
  }

  async unmount(): Promise<void> {
    for (const mounted of mountsBelow(this.dir)) await must(["umount", mounted]);
  }

  isRunning(): boolean {
    return this.leader() !== undefined;
  }

  /** The host's process 1, by its number outside. */
  leader(): number | undefined {
    const pid = this.nspawn()?.pid;
    if (pid === undefined) return undefined;
    const children = readText(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
    return Number(children[0]) || undefined;
  }

  /** Run argv in the host as root, not over the network: works while the host is cut off. */
  async exec(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const leader = this.leader();
    if (leader === undefined) throw new LabError(`The host ${this.host.name} is not running.`);
    const procs = join(cgroup(this.instance, this.host.name), "exec", "cgroup.procs");
    const enter = ["nsenter", "-t", `${leader}`, "-m", "-u", "-i", "-n", "-p", "-C", "--"];
    return run(["sh", "-c", JOIN_CGROUP_AND_EXEC, "sh", procs, ...enter, ...argv], {
      ...options,
      env: { PATH: INSIDE_PATH, HOME: "/root", USER: "root", LANG: "C.UTF-8", ...options.env },
    });
  }

  /** The nspawn process that holds the host, if it is alive. */
  private nspawn(): ProcessId | undefined {
    const [pid = "0", started = ""] = readText(join(this.dir, "pid")).trim().split(" ");
    const id = { pid: Number(pid), started };
    return isAlive(id) ? id : undefined;
  }

  private get nspawnName(): string {
    return this.instance.netns(this.host.name);
  }

  private async mount(): Promise<void> {
    const [upper, work] = [join(this.dir, "upper"), join(this.dir, "work")];
    for (const directory of [upper, work, this.root]) mkdirSync(directory, { recursive: true });
    if (mountsBelow(this.dir).includes(this.root)) return;
    const lower = lowerLayers(this.record, this.host).join(":");
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    await must(["mount", "-t", "overlay", "nixos-promote-lab", "-o", options, this.root]);
  }

  private start(): void {
    const group = cgroup(this.instance, this.host.name);
    mkdirSync(join(group, "exec"), { recursive: true });
    const log = openSync(join(this.dir, "console.log"), "a");
    const nspawn = [
      "systemd-nspawn",
      "--quiet",
      "--register=no",
      "--keep-unit",
      "--capability=all",
      "--resolv-conf=off",
      "--timezone=off",
      "--link-journal=no",
      "--kill-signal=SIGRTMIN+3",
      "--console=pipe",
      `--directory=${this.root}`,
      `--machine=${this.nspawnName}`,
      `--hostname=${this.host.name}`,
      `--network-namespace-path=/run/netns/${this.instance.netns(this.host.name)}`,
      "/sbin/lab-init",
    ];
    const child = spawn(
      "sh",
      ["-c", JOIN_CGROUP_AND_EXEC, "sh", join(group, "cgroup.procs"), ...nspawn],
      {
        detached: true,
        stdio: ["ignore", log, log],
        env: { PATH: process.env.PATH ?? INSIDE_PATH, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" },
      },
    );
    child.unref();
    const id = child.pid === undefined ? undefined : identify(child.pid);
    if (id === undefined)
      throw new LabError("systemd-nspawn could not be started.", "Is systemd-container installed?");
    writeFileSync(join(this.dir, "pid"), `${id.pid} ${id.started}\n`);
  }
}

/** A process joins the cgroup before it becomes the program, so that none is ever outside. */
const JOIN_CGROUP_AND_EXEC = 'echo 0 >"$1" && shift && exec "$@"';

function lowerLayers(record: InstanceRecord, host: HostRecord): string[] {
  if (record.system === null) return [record.base];
  const layers = [host.name, host.name.replace(/-[0-9]+$/, "")].map((name) =>
    join(record.system ?? "", name),
  );
  const system = layers.find((layer) => existsSync(layer));
  return system === undefined ? [record.base] : [system, record.base];
}

/** Mount points below a directory, the deepest first. */
export function mountsBelow(directory: string): string[] {
  const mounts = readText("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "");
  return mounts.filter((path) => path.startsWith(`${directory}/`)).reverse();
}

/** True once sshd's greeting arrives; false after `timeout` ms, or as soon as `alive` says no. */
async function answersSsh(address: string, timeout: number, alive = () => true): Promise<boolean> {
  const answer = await until(
    async () => ((await greets(address)) ? true : alive() ? undefined : false),
    { timeout },
  );
  return answer === true;
}

function greets(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 500 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", (data) => end(data.toString("latin1").startsWith("SSH-")));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
    socket.once("close", () => end(false));
  });
}

/** What nspawn leaves in /run when it is killed. */
export function removeNspawnTraces(name: string, root: string): void {
  rmSync(`/run/systemd/nspawn/propagate/${name}`, { recursive: true, force: true });
  // Since systemd 257 a mount, without which the next start is refused.
  const exported = `/run/systemd/nspawn/unix-export/${name}`;
  if (existsSync(exported)) {
    spawnSync("umount", ["--quiet", exported]);
    rmSync(exported, { recursive: true, force: true });
  }
  if (!existsSync(root)) return;
  const { dev, ino } = statSync(root);
  rmSync(`/run/systemd/nspawn/locks/inode-${dev}:${ino}`, { force: true });
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

export function hostDirectories(instance: Instance): string[] {
  const hosts = instance.path("hosts");
  return existsSync(hosts) ? readdirSync(hosts) : [];
}
