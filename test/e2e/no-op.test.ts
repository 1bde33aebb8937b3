import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import type { LabHost } from "../../lab/lab.ts";
import type { Ended } from "../../lab/project.ts";
import {
  eventually,
  invocations,
  journalEnd,
  type Pointers,
  pointers,
  switchesSince,
  World,
} from "./world.ts";

describe("a second pulumi up right after the first", function () {
  this.timeout(300_000);
  let world: World;
  let hosts: readonly LabHost[];
  let seenBefore: Seen[];
  let operatorBefore: string[];
  let firstUp: string;
  let scratch: string;
  let scratchBefore: string[];
  let ended: Ended[];

  before("release a on both hosts, then `pulumi up` again on both", async () => {
    world = await World.open();
    hosts = [world.grind, world.prod];
    firstUp = await journalEnd(world.prod);
    operatorBefore = operatorProcesses(world);
    scratch = `${world.lab.dir}/scratch`;
    for (const name of ["tmp", "run"]) mkdirSync(`${scratch}/${name}`, { recursive: true });
    const env = { TMPDIR: `${scratch}/tmp`, XDG_RUNTIME_DIR: `${scratch}/run` };
    await world.up("grind", { env });
    await world.up("prod", { env });
    await eventually("the first up has ended on the hosts", async () =>
      (await Promise.all(hosts.map(sessions))).every((found) => found.length === 0),
    );
    seenBefore = await Promise.all(hosts.map(see));
    scratchBefore = list(scratch);
    ended = [];
    for (const stack of ["grind", "prod"])
      ended.push(await world.project.must(["up", "--yes", "--stack", stack], { env }));
  });

  after("the lab goes", () => world?.close());

  it("changes no resource", () => {
    for (const [index, { output }] of ended.entries()) {
      const counts = [...output.matchAll(/^Resources:\n((?: {4}.*\n)+)/gm)].map(([, text]) => text);
      const all = `    ${index === 0 ? 7 : 6} unchanged\n`;
      assert.deepEqual(counts, [all, all], output);
    }
  });

  it("restarts no unit, and moves neither system, profile nor boot default", async () => {
    const now = await Promise.all(hosts.map(see));
    for (const [index, { units, runs }] of now.entries()) {
      assert.deepEqual(units, seenBefore[index]?.units);
      assert.deepEqual(runs, seenBefore[index]?.runs);
    }
  });

  it("runs no switch and no job; the first up did, as the journal shows", async () => {
    assert.notDeepEqual(await switchesSince(world.prod, firstUp), []);
    for (const [index, host] of hosts.entries())
      assert.deepEqual(await switchesSince(host, seenBefore[index]?.journal ?? ""), []);
  });

  it("leaves no process on the operator's machine", async () => {
    const added = () => operatorProcesses(world).filter((line) => !operatorBefore.includes(line));
    await eventually(`no process is left`, () => added().length === 0, 5).catch((error) => {
      throw new Error(`${error.message}: ${added().join("\n")}`);
    });
  });

  it("leaves no process and no connection on the hosts", async () => {
    for (const [index, host] of hosts.entries()) {
      await eventually(
        `${host.name} has no session`,
        async () => (await sessions(host)).length === 0,
        5,
      );
      assert.deepEqual(await processes(host), seenBefore[index]?.processes);
    }
  });

  it("leaves nothing new in the temporary directories, and no socket in its own one", () => {
    assert.deepEqual(list(scratch), scratchBefore);
    const own = `run/nixos-promote-${process.getuid?.()}`;
    assert.deepEqual(
      scratchBefore.filter((path) => path.startsWith("run/")),
      [own],
    );
  });
});

interface Seen {
  readonly units: Record<string, string>;
  readonly runs: Pointers;
  readonly processes: string[];
  readonly journal: string;
}

async function see(host: LabHost): Promise<Seen> {
  // One after the other: each question is a process on the host.
  const running = await processes(host);
  const units = await invocations(host);
  const runs = await pointers(host);
  const journal = await journalEnd(host);
  return { units, runs, processes: running, journal };
}

/** Command lines on a host, without those that asking makes. */
async function processes(host: LabHost): Promise<string[]> {
  const lines = (await host.must(["ps", "-e", "-o", "pid=,ppid=,args="])).split("\n");
  const inside = lines.map((line) => line.trim().split(/\s+/));
  return inside
    .filter(([pid, parent]) => pid !== undefined && pid !== "" && parent !== "0" && pid !== "1")
    .map(([, , ...args]) => args.join(" "))
    .sort();
}

async function sessions(host: LabHost): Promise<string[]> {
  return (await processes(host)).filter((line) =>
    /^sshd(-session)?: (?!.*\[listener\])/.test(line),
  );
}

/** Processes on this machine that work on the lab: by what they were started with, or their environment. */
function operatorProcesses({ lab }: World): string[] {
  const mark = `${lab.dir}/ssh_config`;
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) => read(pid, "cmdline").includes(mark) || read(pid, "environ").includes(mark))
    .map((pid) => `${pid} ${read(pid, "cmdline").replaceAll("\0", " ")}`);
}

/** All below a directory, without what Node and ts-node cache there. */
function list(directory: string): string[] {
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return paths.filter((path) => !/^tmp\/(ts-node|node-compile-cache)/.test(path)).sort();
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // it has ended, or is the kernel's
  }
}
