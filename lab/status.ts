// What is there of an instance, and whether it is alive.
import { type Instance, isAbandoned } from "./instance.ts";
import { Machine } from "./machine.ts";

export interface HostStatus {
  readonly name: string;
  readonly address: string;
  readonly machineId: string;
  readonly running: boolean;
  /** Number of its process 1 on this machine; null if it is down. */
  readonly pid: number | null;
  /** Store path of the system that it runs; null if it is down or plain Debian. */
  readonly currentSystem: string | null;
}

export interface Status {
  readonly instance: string;
  readonly up: boolean;
  /** Process that the lab belongs to; null: it stays until `down`. */
  readonly owner: number | null;
  /** Its owner died; the next `up` makes it anew. */
  readonly abandoned: boolean;
  readonly subnet: string | null;
  readonly sshConfig: string;
  readonly hosts: readonly HostStatus[];
}

export async function statusOf(instance: Instance): Promise<Status> {
  const record = instance.read();
  const machines = record?.hosts.map((host) => new Machine(instance, record, host)) ?? [];
  const hosts = await Promise.all(machines.map(hostStatus));
  return {
    instance: instance.name,
    up: hosts.length > 0 && hosts.every((host) => host.running),
    owner: record?.owner?.pid ?? null,
    abandoned: record !== undefined && isAbandoned(record),
    subnet: record === undefined ? null : `${record.subnet}.0/24`,
    sshConfig: instance.path("ssh_config"),
    hosts,
  };
}

export async function statusText(instance: Instance): Promise<string> {
  const status = await statusOf(instance);
  if (status.hosts.length === 0) return `The lab "${instance.name}" is not up.`;
  const lines = status.hosts.map((host) => {
    const state = host.running ? `up   pid ${host.pid}` : "down";
    return `  ${host.name.padEnd(16)} ${host.address.padEnd(16)} ${state.padEnd(16)} ${host.currentSystem ?? "-"}`;
  });
  const owner = status.abandoned ? " (its owner died; `up` makes it anew)" : "";
  return `lab "${status.instance}" on ${status.subnet}${owner}\n${lines.join("\n")}`;
}

async function hostStatus(machine: Machine): Promise<HostStatus> {
  const running = machine.isRunning();
  const link = running ? await machine.exec(["readlink", "-f", "/run/current-system"]) : undefined;
  const system = link?.stdout.trim() ?? "";
  return {
    name: machine.host.name,
    address: machine.host.address,
    machineId: machine.host.machineId,
    running,
    pid: machine.leader() ?? null,
    currentSystem: system.startsWith("/nix/store/") ? system : null,
  };
}
