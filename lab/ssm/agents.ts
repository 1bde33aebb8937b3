// The side of SSM that agents talk to, and the hosts that run one. An agent dials out, as a real one does.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { HostRecord, Instance } from "../instance.ts";
import { Machine } from "../machine.ts";
import type { Command, Commands, Report } from "./commands.ts";
import type { FaultBox } from "./faults.ts";

/** SSM itself takes minutes to call an instance offline. */
const OFFLINE_AFTER_MS = 3_000;
const POLL_MS = 1_000;

export interface Registered {
  readonly host: HostRecord;
  readonly instanceId: string;
  /** Epoch in milliseconds; 0: never. */
  readonly lastPing: number;
  readonly online: boolean;
}

interface Poll {
  readonly instanceId: string;
  readonly token: string;
  readonly begun: readonly string[];
  readonly reports: readonly Report[];
}

/** The same for the same machine, as in EC2. */
export function instanceIdOf(host: Pick<HostRecord, "machineId">): string {
  return `i-0${host.machineId.slice(0, 16)}`;
}

export class Agents {
  readonly #token = randomBytes(16).toString("hex");
  readonly #lastPing = new Map<string, number>();
  readonly #stopped = new Set<string>();
  readonly #restarting = new Set<string>();
  readonly #instance: Instance;
  readonly #commands: Commands;
  readonly #faults: FaultBox;

  constructor(instance: Instance, commands: Commands, faults: FaultBox) {
    this.#instance = instance;
    this.#commands = commands;
    this.#faults = faults;
  }

  list(): Registered[] {
    return (this.#instance.read()?.hosts ?? []).map((host) => {
      const instanceId = instanceIdOf(host);
      const lastPing = this.#lastPing.get(instanceId) ?? 0;
      return { host, instanceId, lastPing, online: Date.now() - lastPing < OFFLINE_AFTER_MS };
    });
  }

  /** Starts the agent of every host that runs and does not have one, as the host's image would. */
  async supervise(port: number): Promise<void> {
    for (const { host, instanceId, online } of this.list()) {
      if (online || this.#stopped.has(instanceId) || this.#restarting.has(instanceId)) continue;
      const machine = this.#machine(host);
      if (machine?.isRunning() !== true) continue;
      const { subnet } = machine.record;
      const config = { instanceId, token: this.#token, url: `http://${subnet}.1:${port}` };
      await machine
        .exec(["sh", "-c", INSTALL, "sh", AGENT, JSON.stringify(config), UNIT], { timeout: 20_000 })
        .catch(() => {}); // it may be going down just now
    }
  }

  /** `systemctl stop` on the host, and no start until `resume`. */
  async stop(instanceId: string): Promise<void> {
    this.#stopped.add(instanceId);
    await this.#exec(instanceId, ["systemctl", "stop", "amazon-ssm-agent"]);
    this.#lastPing.set(instanceId, Date.now() - OFFLINE_AFTER_MS);
  }

  async resume(instanceId: string): Promise<void> {
    this.#stopped.delete(instanceId);
    await this.#exec(instanceId, ["systemctl", "start", "amazon-ssm-agent"]);
  }

  async poll(body: unknown): Promise<object> {
    const { instanceId, token, begun, reports } = body as Poll;
    if (token !== this.#token) throw new Error("an agent of another lab");
    this.#ping(instanceId);
    for (const id of begun) this.#begin(id);
    for (const report of reports) this.#commands.end(report);
    const until = Date.now() + (begun.length + reports.length > 0 ? 0 : POLL_MS);
    for (;;) {
      const documents = this.#commands.due(instanceId).flatMap((command) => this.#deliver(command));
      const cancel = this.#commands
        .list()
        .filter((each) => each.instanceId === instanceId && each.state === "Cancelling")
        .map(({ id }) => id);
      if (documents.length + cancel.length > 0 || Date.now() >= until) {
        this.#ping(instanceId);
        return { documents, cancel };
      }
      await sleep(30);
    }
  }

  #ping(instanceId: string): void {
    if (!this.#stopped.has(instanceId)) this.#lastPing.set(instanceId, Date.now());
  }

  /** An agent says which it has begun; until then it is given them again, and knows them by their id. */
  #deliver({ id, script }: Command): object[] {
    return [{ id, delivery: 1, script: script.text, seconds: script.seconds }];
  }

  #begin(id: string): void {
    const command = this.#commands.get(id);
    if (command?.state !== "Pending") return;
    this.#commands.begin(id);
    command.deliveries += 1;
    const twice = this.#faults.take("duplicate");
    if (twice !== undefined) void this.#deliverAgain(command, twice.when);
    const restart = this.#faults.take("restart");
    if (restart !== undefined) void this.#restart(command, restart);
  }

  async #deliverAgain(command: Command, when: "during" | "after"): Promise<void> {
    while (when === "after" && command.reports === 0) await sleep(50);
    command.deliveries += 1;
    const document = JSON.stringify({
      ...{ id: command.id, delivery: command.deliveries },
      ...{ script: command.script.text, seconds: command.script.seconds },
    });
    await this.#exec(command.instanceId, ["sh", "-c", REDELIVER, "sh", document]);
  }

  async #restart(
    command: Command,
    { worker, afterMilliseconds }: { worker: string; afterMilliseconds: number },
  ): Promise<void> {
    await sleep(afterMilliseconds);
    this.#restarting.add(command.instanceId);
    await this.#exec(command.instanceId, ["bash", "-c", RESTART, "bash", command.id, worker]);
    this.#restarting.delete(command.instanceId);
    if (worker === "again") command.deliveries += 1;
  }

  async #exec(instanceId: string, argv: readonly string[]): Promise<void> {
    const host = this.list().find((each) => each.instanceId === instanceId)?.host;
    const machine = host && this.#machine(host);
    await machine?.exec(argv, { timeout: 20_000 });
  }

  #machine(host: HostRecord): Machine | undefined {
    const record = this.#instance.read();
    return record && new Machine(this.#instance, record, host);
  }
}

const AGENT = readFileSync(join(import.meta.dirname, "agent.py"), "utf8");

// As in NixOS: what the agent has started outlives it, and PATH has next to nothing.
const UNIT = `[Unit]
Description=Stand-in for the Amazon SSM agent
[Service]
ExecStart=/usr/bin/python3 /run/amazon-ssm-agent/agent.py
Environment=PATH=/run/amazon-ssm-agent/bin
KillMode=process
Restart=always
RestartSec=1
`;

const INSTALL = `set -e
dir=/run/amazon-ssm-agent
systemctl is-active -q amazon-ssm-agent && [ -e "$dir/agent.json" ] && [ "$(cat "$dir/agent.json")" = "$2" ] && exit 0
umask 022
mkdir -p "$dir/bin" /run/systemd/system
for file in $(cat /var/lib/dpkg/info/coreutils.list /var/lib/dpkg/info/findutils.list /var/lib/dpkg/info/grep.list \\
  /var/lib/dpkg/info/sed.list /var/lib/dpkg/info/systemd.list | grep -E '^(/usr)?/s?bin/.'); do ln -sfn "$file" "$dir/bin/"; done
printf %s "$1" >"$dir/agent.py"
printf %s "$3" >/run/systemd/system/amazon-ssm-agent.service
umask 077
printf %s "$2" >"$dir/agent.json"
systemctl daemon-reload
systemctl restart amazon-ssm-agent
`;

const REDELIVER = `umask 077; mkdir -p /var/lib/amazon/ssm/inbox
printf %s "$1" >/var/lib/amazon/ssm/inbox/new && mv /var/lib/amazon/ssm/inbox/new "/var/lib/amazon/ssm/inbox/$$.json"`;

const RESTART = `cd /var/lib/amazon/ssm/current || exit
systemctl stop amazon-ssm-agent
for run in "$1".*; do
  case $2 in
    dies) kill -KILL "$(cut -d' ' -f1 "$run/worker")" ;;
    killed) kill -KILL "$(cut -d' ' -f1 "$run/worker")"; kill -KILL -- "-$(cat "$run/group")" ;;
    again) rm -f "$run/worker" ;;
  esac
done
systemctl start amazon-ssm-agent`;
