// The lab as programs use it: tests and the demo open one, work on its hosts, and close it.
import { writeFileSync } from "node:fs";
import { debianBase } from "./base.ts";
import { cpuSeconds } from "./cgroup.ts";
import { environment, exportLines, quote } from "./env.ts";
import { type HostRecord, hostName, Instance, type InstanceRecord, shortName } from "./instance.ts";
import { disown, own } from "./leave.ts";
import { withLock } from "./lock.ts";
import { Machine } from "./machine.ts";
import { cut, restore } from "./network.ts";
import { LabError, type Ran, type RunOptions, run, useUsualUmask } from "./process.ts";
import { systemLayer } from "./provision.ts";
import { instanceIdOf } from "./ssm/agents.ts";
import { Ssm, startSsm } from "./ssm/ssm.ts";
import { downIfOwnedBy, handOver, requireRoot, up } from "./up.ts";

export interface OpenOptions {
  readonly instance: string;
  /** Short or full names; default grind and prod. */
  readonly hosts?: readonly string[];
  /** It stays until `down`, also after this process. Default false. */
  readonly keep?: boolean;
  /** With an endpoint of AWS SSM, and an agent on every host. Default false; one that runs already stays. */
  readonly ssm?: boolean;
  /** Told what takes long; default: nobody. */
  readonly log?: (line: string) => void;
}

/**
 * A running lab. If this call made it, it belongs to this process and goes when the process ends, however that
 * happens; if it was there (`npm run lab -- up`), it is left as it was.
 */
export async function openLab(options: OpenOptions): Promise<Lab> {
  const { hosts = ["grind", "prod"], keep = false, ssm = false, log = () => {} } = options;
  requireRoot();
  useUsualUmask();
  const instance = new Instance(options.instance);
  own(instance.name);
  const base = await debianBase(log);
  const system = await systemLayer(base, log);
  const record = await up({ instance, hosts: hosts.map(hostName), base, system, keep, log });
  if (record.owner === null) disown(instance.name);
  if (ssm) {
    await withLock(instance.lockFile, () => startSsm(instance));
    writeFileSync(instance.path("env.sh"), exportLines(environment(instance)));
  }
  return new Lab(instance, record);
}

export class Lab {
  readonly instance: string;
  readonly dir: string;
  readonly hosts: readonly LabHost[];
  /** For child processes: toolchain on PATH, ssh_config, Pulumi's file backend. */
  readonly env: Record<string, string>;
  /** The controls of its SSM endpoint. */
  readonly ssm: Ssm;
  readonly #instance: Instance;

  constructor(instance: Instance, record: InstanceRecord) {
    this.ssm = new Ssm(instance);
    this.instance = instance.name;
    this.dir = instance.dir;
    this.hosts = record.hosts.map((host) => new LabHost(instance, record, host));
    this.env = environment(instance);
    this.#instance = instance;
  }

  host(name: string): LabHost {
    const found = this.hosts.find((host) => host.name === hostName(name));
    if (found !== undefined) return found;
    throw new LabError(`The lab "${this.instance}" has no host "${name}".`);
  }

  /** Leave the lab up after this process; `npm run lab -- down` removes it. */
  keep(): void {
    const record = this.#instance.read();
    if (record !== undefined) handOver(this.#instance, record);
    disown(this.instance);
  }

  /** Take the lab down if it is this process's own; safe to call twice. */
  async close(): Promise<void> {
    await downIfOwnedBy(process.pid, this.#instance);
    disown(this.instance);
  }
}

export class LabHost {
  /** As in ssh_config and in the flake: choiros-prod. */
  readonly name: string;
  readonly shortName: string;
  readonly address: string;
  readonly machineId: string;
  /** By which SSM knows it, if the lab has SSM. */
  readonly instanceId: string;
  /** Its files seen from outside; without /run, /proc, /dev and /tmp. Also there while it is down. */
  readonly root: string;
  /** argv that runs a command on it over ssh; the command is appended as one shell string. */
  readonly sshArgs: readonly string[];
  readonly #instance: Instance;
  readonly #machine: Machine;

  constructor(instance: Instance, record: InstanceRecord, host: HostRecord) {
    this.name = host.name;
    this.shortName = shortName(host.name);
    this.address = host.address;
    this.machineId = host.machineId;
    this.instanceId = instanceIdOf(host);
    this.#instance = instance;
    this.#machine = new Machine(instance, record, host);
    this.root = this.#machine.root;
    this.sshArgs = ["ssh", "-F", instance.path("ssh_config"), "-o", "BatchMode=yes", host.name];
  }

  /** Run argv as root, not over the network: works also while the host is cut off. */
  exec(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return this.#machine.exec(argv, options);
  }

  /** Seconds of processor time that it has used since it was booted. */
  cpuSeconds(): number {
    return cpuSeconds(this.#instance, this.name);
  }

  /** Like `exec`, but anything but exit 0 is an error; returns stdout. */
  async must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const ran = await this.exec(argv, options);
    if (ran.code === 0) return ran.stdout;
    throw new LabError(
      `${argv.join(" ")} failed on ${this.name} (exit ${ran.code}):\n${ran.stderr || ran.stdout}`,
    );
  }

  /** Run argv over real ssh, as the operator does. */
  ssh(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run([...this.sshArgs, "--", argv.map(quote).join(" ")], options);
  }

  isRunning(): boolean {
    return this.#machine.isRunning();
  }

  /** All processes end at once; what was written stays. */
  async powerCut(): Promise<void> {
    await withLock(this.#instance.lockFile, () => this.#machine.kill());
  }

  /** Start it again on the same disk, with its network; resolves when sshd answers. Does nothing if it is up. */
  async boot(): Promise<void> {
    await withLock(this.#instance.lockFile, () => this.#machine.ensure());
  }

  /** Packets from and to the host are lost until `restoreNetwork`. */
  cutNetwork(): Promise<void> {
    return cut(this.#instance, this.#machine.host);
  }

  restoreNetwork(): Promise<void> {
    return restore(this.#instance, this.#machine.host);
  }

  /** Back to the state after `up` of a new lab: same keys and name, everything else as provisioned. */
  async reset(): Promise<void> {
    await withLock(this.#instance.lockFile, async () => {
      await this.#machine.erase();
      await this.#machine.ensure();
    });
  }
}
