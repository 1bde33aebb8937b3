// What one run costs besides its time: counted by kernel and sshd themselves, so for every contender in the same way.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter } from "node:path";
import { cgroup } from "../../lab/cgroup.ts";
import { Instance } from "../../lab/instance.ts";
import type { LabHost } from "../../lab/lab.ts";
import { vethName } from "../../lab/network.ts";
import { type Memory, pidsBelow, watchMemory } from "../memory.ts";
import type { World } from "./world.ts";

export interface Cost {
  /** KiB that all hosts together received and sent. */
  readonly receivedKiB: number;
  readonly sentKiB: number;
  /** Started on operator, builder and all hosts together; a thread counts as one too. */
  readonly processes: {
    readonly operator: number;
    readonly builder: number;
    readonly hosts: number;
  };
  /** ssh connections that hosts accepted, and sessions over them. */
  readonly connections: number;
  readonly sessions: number;
  /** Of operator and builder. */
  readonly memory: Memory;
}

const LAST_PID = "/proc/sys/kernel/ns_last_pid";

export class Meter {
  private readonly world: World;
  private readonly instance: Instance;
  private readonly count: string;
  /** Runs pulumi in a PID namespace and a cgroup of its own: goes in front of PATH. */
  readonly env: Readonly<Record<string, string>>;

  constructor(world: World) {
    this.world = world;
    this.instance = new Instance(world.lab.instance);
    this.count = `${world.lab.dir}/operator-pids`;
    const group = cgroup(this.instance, "operator");
    mkdirSync(group, { recursive: true });
    writeFileSync(this.count, "0");
    this.env = {
      PATH: `${this.wrapper()}${delimiter}${world.lab.env.PATH}`,
      BENCH_CGROUP: `${group}/cgroup.procs`,
      BENCH_COUNT: this.count,
    };
  }

  /** Runs it, and says what it cost. Slower than the run alone: its seconds are not to be used. */
  async cost(run: () => Promise<unknown>): Promise<Cost> {
    const { builder, hosts } = this.world;
    writeFileSync(this.count, "0");
    const before = await Promise.all(hosts.map((host) => this.state(host)));
    const builderBefore = await lastPid(builder);
    const watched = ["operator", builder.name].map((name) => cgroup(this.instance, name));
    const watch = watchMemory(() => watched.flatMap(pidsBelow));
    await run().finally(() => watch.end());
    const memory = watch.end();
    const builderProcesses = (await lastPid(builder)) - builderBefore - 1;
    const after = await Promise.all(hosts.map((host) => this.state(host)));
    const sum = (of: (state: State) => number) =>
      after.reduce((total, state, i) => total + of(state) - of(before[i] ?? state), 0);
    return {
      receivedKiB: Math.round(sum(({ received }) => received) / 1024),
      sentKiB: Math.round(sum(({ sent }) => sent) / 1024),
      processes: {
        operator: Number(readFileSync(this.count, "utf8")),
        builder: Math.max(0, builderProcesses),
        hosts: Math.max(0, sum(({ pid }) => pid) - hosts.length * OWN_PROCESSES),
      },
      connections: sum(({ connections }) => connections),
      sessions: sum(({ sessions }) => sessions),
      memory,
    };
  }

  private async state(host: LabHost): Promise<State> {
    const script = `journalctl --quiet --output=cat _COMM=sshd + _COMM=sshd-session | grep -oE '^(Accepted publickey|Starting session)' | sort | uniq -c; cat ${LAST_PID}`;
    const said = await host.must(["bash", "-c", script]);
    const link = `/sys/class/net/${vethName(this.instance, host)}/statistics`;
    const bytes = (name: string) => Number(readFileSync(`${link}/${name}`, "utf8"));
    return {
      // Seen from this side of the link.
      received: bytes("tx_bytes"),
      sent: bytes("rx_bytes"),
      connections: Number(/(\d+) Accepted publickey/.exec(said)?.[1] ?? 0),
      sessions: Number(/(\d+) Starting session/.exec(said)?.[1] ?? 0),
      pid: Number(said.trim().split("\n").at(-1)),
    };
  }

  private wrapper(): string {
    const bin = `${this.world.lab.dir}/measured`;
    const real = (this.world.lab.env.PATH ?? "")
      .split(delimiter)
      .map((directory) => `${directory}/pulumi`)
      .find((file) => existsSync(file));
    if (real === undefined) throw new Error("There is no pulumi on PATH.");
    mkdirSync(bin, { recursive: true });
    const inside = `'${real}' "$@"; code=$?; cat ${LAST_PID} >"$BENCH_COUNT"; exit $code`;
    const script = `#!/bin/sh\necho 0 >"$BENCH_CGROUP"\nexec unshare --fork --pid --mount-proc --kill-child sh -c '${inside.replaceAll("'", "'\\''")}' sh "$@"\n`;
    writeFileSync(`${bin}/pulumi`, script);
    chmodSync(`${bin}/pulumi`, 0o755);
    return bin;
  }
}

/** What looking at a host starts there: bash, its pipeline and cat. */
const OWN_PROCESSES = 7;

interface State {
  readonly received: number;
  readonly sent: number;
  readonly connections: number;
  readonly sessions: number;
  readonly pid: number;
}

async function lastPid(host: LabHost): Promise<number> {
  return Number(await host.must(["cat", LAST_PID]));
}
