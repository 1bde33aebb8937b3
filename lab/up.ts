// Bring an instance up, whatever is left of it; and take all of it away.

import { createHash, randomUUID } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { cgroup, ensureCgroup2, killCgroup, releaseCgroup2, removeTopIfEmpty } from "./cgroup.ts";
import { environment, exportLines } from "./env.ts";
import { type HostRecord, Instance, type InstanceRecord, isAbandoned } from "./instance.ts";
import { makeKeys, writeOperatorFiles } from "./keys.ts";
import { withLock } from "./lock.ts";
import { hostDirectories, Machine, mountsBelow, removeNspawnTraces } from "./machine.ts";
import { chooseSubnet, createBridge, removeNetwork } from "./network.ts";
import { identify, LabError, must, type ProcessId, run } from "./process.ts";
import { endRuns } from "./runs.ts";
import { ensureStateRoot, removeStateRoot } from "./state.ts";

/** Held for moments only: while a /24 is chosen, and while the directory of all instances comes or goes. */
const MACHINE_LOCK = "/run/lock/nixos-promote-lab.lock";

type Layers = Pick<InstanceRecord, "base" | "system">;

export interface UpOptions {
  readonly instance: Instance;
  readonly hosts: readonly string[];
  /** Layers for a new instance: the Debian base, and per host what was provisioned on it (null: bare Debian). */
  readonly base: string;
  readonly system: string | null;
  /** The instance stays until `down`, whatever happens to this process after `up`. */
  readonly keep?: boolean;
  readonly log: (line: string) => void;
}

/**
 * All hosts of the instance, answering on ssh. What is up already stays as it is; what is half dead is repaired;
 * an instance whose owner died is made anew. A new one belongs to this process, unless it is to be kept.
 */
export async function up({
  instance,
  hosts,
  base,
  system,
  keep,
  log,
}: UpOptions): Promise<InstanceRecord> {
  requireRoot();
  return withLock(
    instance.lockFile,
    async () => {
      const record = await claim(instance, hosts, { base, system }, log);
      await ensureCgroup2();
      await makeKeys(instance, record);
      writeOperatorFiles(instance, record);
      writeFileSync(instance.path("env.sh"), exportLines(environment(instance)));
      await createBridge(instance, record.subnet);
      const machines = record.hosts.map((host) => new Machine(instance, record, host));
      const older = machines.filter((machine) => machine.isPrepared());
      await settle(machines.map((machine) => machine.ensure()));
      if (older.length < machines.length) for (const machine of older) machine.meetNeighbours();
      return keep === true ? handOver(instance, record) : record;
    },
    () => log(`waiting: another process works on the lab "${instance.name}" ...`),
  );
}

/** From now on the instance stays until `down`. */
export function handOver(instance: Instance, record: InstanceRecord): InstanceRecord {
  const kept = { ...record, owner: null };
  instance.write(kept);
  return kept;
}

/** Remove everything of the instance: processes, mounts, namespaces, interfaces, files. Works on any ruin of it. */
export async function down(instance: Instance): Promise<void> {
  requireRoot();
  await withLock(instance.lockFile, () => dismantle(instance));
}

/** The same, but only if the instance belongs to that process: it may have failed because of another's instance. */
export async function downIfOwnedBy(pid: number, instance: Instance): Promise<void> {
  await withLock(instance.lockFile, async () => {
    if (instance.read()?.owner?.pid === pid) await dismantle(instance);
  });
}

/** This process, as the owner of what it makes. */
function ourselves(): ProcessId {
  const id = identify(process.pid);
  if (id === undefined) throw new LabError("/proc is not mounted, and the lab needs it.");
  return id;
}

async function dismantle(instance: Instance): Promise<void> {
  await endRuns(instance.dir);
  await killCgroup(cgroup(instance));
  for (const host of hostDirectories(instance)) {
    removeNspawnTraces(instance.netns(host), instance.path("hosts", host, "root"));
  }
  for (const mounted of mountsBelow(instance.dir)) {
    const ran = await run(["umount", mounted]);
    // Somebody's shell may stand in it; the mount goes when it leaves.
    if (ran.code !== 0) await must(["umount", "--lazy", mounted]);
  }
  await removeNetwork(instance);
  await must(["rm", "-rf", "--one-file-system", instance.dir]);
  removeTopIfEmpty();
  if (Instance.all().length === 0) await releaseCgroup2();
  await withLock(MACHINE_LOCK, removeStateRoot);
}

/** Write down what is to be, before anything of it is made: whoever finds a ruin knows what it was. */
async function claim(
  instance: Instance,
  hosts: readonly string[],
  layers: Layers,
  log: (line: string) => void,
): Promise<InstanceRecord> {
  let found = instance.read();
  if (found === undefined || isAbandoned(found) || !existsSync(found.base)) {
    if (existsSync(instance.dir)) await dismantle(instance);
    found = undefined;
  }
  if (found !== undefined) refuseForeign(instance, found);
  if (found !== undefined && (found.base !== layers.base || found.system !== layers.system)) {
    // Exchanging the layers under a host would make a broken host.
    log(`the lab "${instance.name}" was made from an earlier lab/; for the new one: down, then up`);
  }
  return withLock(MACHINE_LOCK, async () => {
    await ensureStateRoot();
    const fresh = async () => ({
      subnet: await chooseSubnet(instance.name),
      owner: ourselves(),
      ...layers,
    });
    const kept = found ?? { ...(await fresh()), hosts: [] };
    const record = { ...kept, hosts: withNew(kept.hosts, hosts, kept.subnet) };
    instance.write(record);
    return record;
  });
}

function refuseForeign(instance: Instance, { owner }: InstanceRecord): void {
  if (owner === null || owner.pid === process.pid) return;
  throw new LabError(
    `The lab "${instance.name}" belongs to process ${owner.pid}, which is running.`,
    "Wait for it, or use another --instance.",
  );
}

function withNew(
  found: readonly HostRecord[],
  names: readonly string[],
  subnet: string,
): HostRecord[] {
  const missing = names.filter((name) => !found.some((host) => host.name === name));
  const fresh = missing.map((name, i) => ({
    name,
    address: `${subnet}.${11 + found.length + i}`,
    machineId: createHash("md5").update(randomUUID()).digest("hex"),
  }));
  return [...found, ...fresh];
}

/** Like Promise.all, but nothing goes on in the background when one fails. */
async function settle(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new LabError(
    "The lab needs root: it makes mounts, network namespaces and bridges.",
    "Run it as root.",
  );
}
