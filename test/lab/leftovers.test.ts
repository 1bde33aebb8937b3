import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openLab } from "../../lab/lab.ts";
import { run } from "../../lab/process.ts";
import { traces } from "./traces.ts";

const INSTANCE = "test-leftovers";
const CLI = join(import.meta.dirname, "../../lab/cli.ts");
const OWNER = join(import.meta.dirname, "owner.ts");

describe("a lab leaves nothing behind", function () {
  this.timeout(120_000);
  let owner: ChildProcess | undefined;

  afterEach(async () => {
    owner?.kill("SIGKILL");
    await run([process.execPath, CLI, "down", "--quiet", "--instance", INSTANCE]);
  });

  it("after close", async () => {
    const lab = await openLab({ instance: INSTANCE });
    assert.notDeepEqual(traces(INSTANCE), []);
    await lab.close();
    await lab.close();
    assert.deepEqual(traces(INSTANCE), []);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    it(`after ${signal} to the process that has it`, async () => {
      owner = await startOwner();
      owner.kill(signal);
      const [code] = await once(owner, "exit");
      assert.equal(code, { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal]);
      assert.deepEqual(traces(INSTANCE), []);
    });
  }

  for (const after of [50, 150, 250, 350, 500, 700]) {
    it(`after Ctrl-C ${after} ms into up`, async () => {
      owner = spawn(process.execPath, [OWNER, INSTANCE], { stdio: "ignore" });
      await sleep(after);
      owner.kill("SIGINT");
      await once(owner, "exit");
      assert.deepEqual(traces(INSTANCE), []);
    });
  }

  it("after SIGKILL of its process and `down --abandoned`, which spares it before", async () => {
    owner = await startOwner();
    await run([process.execPath, CLI, "down", "--abandoned"]);
    assert.notDeepEqual(traces(INSTANCE), []);
    owner.kill("SIGKILL");
    await once(owner, "exit");
    assert.ok(
      traces(INSTANCE).some((line) => line.startsWith("process")),
      "the hosts should live on after SIGKILL, or this test shows nothing",
    );
    const ran = await run([process.execPath, CLI, "down", "--abandoned"]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(traces(INSTANCE), []);
  });

  it("of its SSM endpoint either: after SIGKILL of its process and `down --abandoned`", async () => {
    owner = await startOwner("ssm");
    owner.kill("SIGKILL");
    await once(owner, "exit");
    assert.ok(
      traces(INSTANCE).some((line) => line.includes("ssm/main.ts")),
      "the endpoint should live on after SIGKILL, or this test shows nothing",
    );
    const ran = await run([process.execPath, CLI, "down", "--abandoned"]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(traces(INSTANCE), []);
  });

  it("after SIGKILL of its process and a new one of the same name, which is fresh", async () => {
    owner = await startOwner();
    owner.kill("SIGKILL");
    await once(owner, "exit");
    const lab = await openLab({ instance: INSTANCE, hosts: ["prod"] });
    assert.deepEqual(
      lab.hosts.map((host) => host.name),
      ["choiros-prod"],
    );
    await lab.close();
    assert.deepEqual(traces(INSTANCE), []);
  });

  it("but not by touching a lab that another process has", async () => {
    owner = await startOwner();
    await assert.rejects(
      openLab({ instance: INSTANCE }),
      /belongs to process \d+, which is running/,
    );
    assert.ok(traces(INSTANCE).some((line) => line.startsWith("process")));
  });

  it("and `up` repairs a lab of which half died", async () => {
    const up = [process.execPath, CLI, "up", "--quiet", "--instance", INSTANCE];
    assert.equal((await run(up)).code, 0);
    const status = async () =>
      JSON.parse(
        (await run([process.execPath, CLI, "status", "--json", "--instance", INSTANCE])).stdout,
      );
    const [grind, prod] = (await status()).hosts;
    process.kill(prod.pid, "SIGKILL");
    await sleep(200);
    const broken = await status();
    assert.deepEqual([broken.up, broken.hosts[1].running], [false, false]);
    assert.equal((await run(up)).code, 0);
    const repaired = await status();
    assert.equal(repaired.up, true);
    assert.equal(repaired.hosts[0].pid, grind.pid, "the host that was well must not be restarted");
    assert.notEqual(repaired.hosts[1].pid, prod.pid);
  });
});

async function startOwner(...more: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [OWNER, INSTANCE, ...more], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [first] = await once(child.stdout, "data");
  assert.equal(`${first}`, "open\n");
  return child;
}
