import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { run } from "../../lab/process.ts";
import { traces } from "../lab/traces.ts";
import { errorsIn } from "./faults.ts";
import { eventually, pointers, World } from "./world.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const CLI = `${ROOT}lab/cli.ts`;
/** The instance of a test run that is interrupted. */
const RUN = "e2e-run";

describe("Ctrl-C", function () {
  this.timeout(300_000);
  let child: Running | undefined;

  beforeEach("nobody else runs the demo", async () => {
    child = undefined;
    await eventually(
      "the demo that somebody else runs has ended",
      () => left("demo").length === 0,
      120,
    );
  });

  afterEach("nothing of a failed test stays", async () => {
    if (child === undefined) return;
    child.kill("SIGKILL");
    for (const instance of ["demo", RUN]) {
      for (const pid of strays(instance)) process.kill(pid, "SIGKILL");
      await run([process.execPath, CLI, "down", "--quiet", "--instance", instance]);
    }
  });

  describe("in the demo leaves nothing behind", () => {
    const moments: [string, RegExp][] = [
      ["while the hosts boot", /Two real NixOS-like hosts/],
      ["while grind builds", /release-build .*(creating|building)/],
      ["while prod activates", /choiros-prod-system .*(activating|waiting|checking)/],
      ["during a preview", /\$ pulumi preview --stack prod[^$]*Previewing/],
      [
        "while a bad release is on trial",
        /\$ git .*c-prod[^$]*\$ [^$]*\$ .*--stack prod[^$]*(waiting for|going back)/i,
      ],
    ];
    for (const [when, sign] of moments)
      it(when, async () => {
        child = start([process.execPath, `${ROOT}demo/demo.ts`, "--verbose"]);
        await child.says(sign);
        await eventually("the lab has begun", () => traces("demo").length > 0);
        const { code, seconds } = await child.interrupted();
        assert.ok(code === 130 || code === 1, `it ended with ${code}:\n${child.output()}`);
        assert.ok(seconds < 15, `it took ${seconds} s`);
        await assertNothingLeft("demo");
      });

    it("and after SIGKILL, `down --abandoned` removes what is left", async () => {
      child = start([process.execPath, `${ROOT}demo/demo.ts`, "--verbose"]);
      await child.says(/release-build .*(creating|building)/);
      child.kill("SIGKILL");
      await child.ended;
      assert.notDeepEqual(traces("demo"), [], "nothing was left: the test proves nothing");
      assert.equal((await run([process.execPath, CLI, "down", "--abandoned"])).code, 0);
      // Pulumi's own language host looks for a CLI that was killed only every few minutes.
      await assertNothingLeft("demo", (program) => !program.includes("pulumi-language-nodejs"));
    });
  });

  it("in a test run leaves nothing behind", async () => {
    const directory = mkdtempSync("/tmp/nixos-promote-e2e-");
    const file = `${directory}/long.test.ts`;
    writeFileSync(
      file,
      `import { World } from ${JSON.stringify(`${ROOT}test/e2e/world.ts`)};
describe("long", function () {
  this.timeout(300_000);
  it("goes on", async () => {
    const world = await World.open();
    console.log("open");
    await world.up("grind", { onOutput: console.log });
  });
});`,
    );
    try {
      child = start([process.execPath, `${ROOT}node_modules/mocha/bin/mocha.js`, file], {
        TEST_LAB: RUN,
      });
      await child.says(/open.*(refreshing|updating)/s);
      assert.notDeepEqual(strays(RUN), []);
      const { code } = await child.interrupted();
      assert.notEqual(code, 0);
      await assertNothingLeft(RUN);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("Ctrl-C in `pulumi up` while prod activates", function () {
  this.timeout(300_000);
  let world: World;

  before("release a on both hosts, b on grind", async () => {
    world = await World.settled();
    await world.push("b");
    await world.up("grind");
  });

  after("the lab goes", () => world?.close());

  it("ends with the host on one release, and a state that says which", async () => {
    const a = await world.toplevel("a", world.prod);
    const interrupt = new AbortController();
    const ended = await world.project.pulumi(["up", "--yes", "--skip-preview", "--stack", "prod"], {
      interrupt: interrupt.signal,
      onOutput: (text) => {
        if (/choiros-prod-system .*(activating|waiting)/.test(text)) interrupt.abort();
      },
    });
    assert.ok(interrupt.signal.aborted, `the activation was never seen:\n${ended.output}`);
    assert.notEqual(ended.code, 0);
    const now = await pointers(world.prod);
    assert.deepEqual(
      { currentSystem: now.currentSystem, profile: now.profile, bootDefault: now.bootDefault },
      { currentSystem: a, profile: a, bootDefault: a },
      errorsIn(ended),
    );
    assert.match(ended.output, /Cancelled/);
    const { live } = (await world.profile("prod")).outputs;
    assert.deepEqual([live.currentSystem, live.profile], [a, a]);
  });

  it("leaves no lock: a preview tells what is still to do, and an `up` does it", async () => {
    assert.match(await world.preview("prod"), /hypervisor: 1\.4\.0 -> 1\.5\.0/);
    await world.up("prod");
    assert.equal((await pointers(world.prod)).profile, await world.toplevel("b", world.prod));
  });
});

interface Running {
  readonly ended: Promise<number | null>;
  output(): string;
  says(sign: RegExp): Promise<void>;
  /** To the whole process group, as a terminal does. */
  kill(signal: NodeJS.Signals): void;
  interrupted(): Promise<{ code: number | null; seconds: number }>;
}

function start(argv: readonly string[], env: Record<string, string> = {}): Running {
  const [command = "", ...args] = argv;
  const child: ChildProcess = spawn(command, args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const ended = once(child, "exit").then(([code]) => code as number | null);
  const kill = (signal: NodeJS.Signals) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(-child.pid, signal);
  };
  return {
    ended,
    kill,
    output: () => output,
    says: (sign) =>
      eventually(
        `${argv.at(-1)} says ${sign}`,
        () => {
          assert.equal(child.exitCode, null, `it ended by itself:\n${output}`);
          return sign.test(output);
        },
        150,
      ),
    async interrupted() {
      const began = performance.now();
      kill("SIGINT");
      const code = await ended;
      return { code, seconds: (performance.now() - began) / 1000 };
    },
  };
}

/** What an instance made is gone at once; programs that worked on it have a moment to see that. */
async function assertNothingLeft(instance: string, matters = (_: string) => true): Promise<void> {
  assert.deepEqual(
    traces(instance).filter((trace) => !trace.startsWith("process ")),
    [],
  );
  const programs = () => left(instance).filter(matters);
  await eventually("no process is left", () => programs().length === 0, 5).catch((error) => {
    throw new Error(`${error.message}\n${programs().join("\n")}`);
  });
}

function left(instance: string): string[] {
  const programs = strays(instance).map((pid) => `process ${pid} ${commandLine(pid)}`);
  return [...traces(instance), ...programs];
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "(ended)";
  }
}

/** Processes that were started for a lab: the CLI, the language host, the provider, ssh. */
function strays(instance: string): number[] {
  const pids = readdirSync("/proc").filter(
    (entry) => /^\d+$/.test(entry) && entry !== `${process.pid}`,
  );
  return pids
    .filter((pid) => environment(pid).includes(`NIXOS_PROMOTE_LAB=${instance}`))
    .map(Number);
}

function environment(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return []; // it has ended
  }
}
