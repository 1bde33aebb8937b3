// The operator's side of a transaction: two at once, one that dies, one that leaves, one that sleeps.
import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { alive, isIdle, RunningUp, reachStep, untilIdle } from "./running-up.ts";
import {
  assertRuns,
  eventually,
  invocations,
  journalEnd,
  pointers,
  switchesSince,
  touched,
  World,
} from "./world.ts";

/** While this file exists on prod, its health contract waits: the time in which these tests do something. */
const GATE = "/run/gate-closed";
const GATE_PROBE = `    - {name: gate, kind: command, argv: [test, "!", -e, ${GATE}], intervalSeconds: 0.2, deadlineSeconds: 90}\n`;
const TIME = "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC";
const US = `${userInfo().username}@${hostname()} \\(process \\d+, stack prod\\)`;

/** An update of the state alone: what the host runs is recorded. */
const RECORDED = /~ 1 updated\n +5 unchanged/;

describe("the operator of a transaction", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;
  const running: RunningUp[] = [];

  before("release a on both hosts", async () => {
    world = await World.open();
    world.configure("prod", /( {2}choiros:health:\n)/, `$1${GATE_PROBE}`);
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
    await world.up("grind");
    await world.up("prod");
  });

  after("the lab goes, and what a failed test left", async () => {
    for (const up of running) up.leave();
    await world?.close();
  });

  function start(backend?: string): RunningUp {
    const up = new RunningUp(world, backend === undefined ? {} : { backend });
    running.push(up);
    return up;
  }

  /** Grind runs a revision, so that prod has something to take. */
  async function offer(revision: string): Promise<void> {
    await world.push(revision);
    await world.up("grind");
  }

  const close = () => world.prod.must(["touch", GATE]);
  const open = () => world.prod.must(["rm", "-f", GATE]);
  afterEach(async () => {
    await open();
    await untilIdle(world.prod);
    world.configureActivation("prod", "");
  });

  /** Grind runs what prod does not, and the gate of prod's contract is closed. */
  async function other(): Promise<{ revision: string; from: string; to: string }> {
    const { currentSystem } = await pointers(world.prod);
    const revision = currentSystem === a ? "b" : "a";
    await offer(revision);
    await close();
    return { revision, from: currentSystem, to: revision === "b" ? b : a };
  }

  const unlock = () => world.project.must(["cancel", "--yes", "prod"]);
  const transactionOf = async () => (await world.profile("prod")).outputs.transaction;

  describe("01 two at once, each with a state of his own", () => {
    let second: string;

    after(() => rmSync(`${world.project.directory}/state-2`, { recursive: true }));

    /** The second operator has the same stacks, elsewhere. */
    function copyState(): void {
      const { directory } = world.project;
      rmSync(`${directory}/state-2`, { recursive: true, force: true });
      cpSync(`${directory}/state`, `${directory}/state-2`, { recursive: true });
      second = `file://${directory}/state-2`;
    }

    const stateOf = async (backend: string) => {
      const env = { PULUMI_BACKEND_URL: backend };
      const { stdout } = await world.project.must(["stack", "export", "--stack", "prod"], { env });
      return stdout;
    };

    it("the second is refused with who, since when and doing what, and changes nothing", async () => {
      const { from, to } = await other();
      copyState();
      const cursor = await journalEnd(world.prod);
      const up = start();
      await reachStep(world.prod, "health");
      const before = JSON.parse(await stateOf(second)).deployment.resources;
      const late = start(second);
      assert.notEqual(await late.ended, 0);
      await open();
      const who = `started by ${US} at ${TIME}`;
      assert.match(
        late.output.replace(/\s+/g, " "),
        new RegExp(
          `choiros-prod is busy with activate-\\S+ \\(release [0-9a-f]{12} .*?\\), ${who}: it is at the step '[a-z-]+' since ${TIME}\\. Nothing was changed\\. Wait until it has ended, and run again\\.`,
        ),
      );
      const inputs = (resources: { urn: string; inputs?: object }[]) =>
        resources.map(({ urn, inputs: recorded }) => ({ urn, recorded }));
      const after = JSON.parse(await stateOf(second)).deployment.resources;
      const system = (list: { type: string; urn: string; inputs?: object }[]) =>
        inputs(list.filter(({ type }) => type === "nixos:index:SystemProfile"));
      assert.deepEqual(system(after), system(before));
      assert.equal(await up.ended, 0, up.output);
      await assertRuns(world.prod, to);
      assert.notEqual(from, to);
      const switches = await switchesSince(world.prod, cursor);
      assert.equal(
        switches.filter((line) => /Started .*nixos-promote job activate/.test(line)).length,
        1,
        switches.join("\n"),
      );
    });

    it("a preview meanwhile tells the same, on the resource and in the plan", async () => {
      await other();
      copyState();
      const up = start();
      await reachStep(world.prod, "health");
      const env = { PULUMI_BACKEND_URL: second };
      const { output } = await world.project.must(["preview", "--stack", "prod"], { env });
      await open();
      const sentence = `activate-\\S+ \\(release [0-9a-f]{12} .*\\), started by ${US} at ${TIME}, at the step '[a-z-]+' since ${TIME}\\.`;
      assert.match(output, new RegExp(`A transaction is running: ${sentence}`));
      assert.match(output, new RegExp(`^ +running +a transaction is running: ${sentence}`, "m"));
      assert.equal(await up.ended, 0, up.output);
    });

    it("of two that begin in the same second one is served, the other one refused", async () => {
      const { to } = await other();
      copyState();
      const both = [start(), start(second)];
      await Promise.race(both.map(({ ended }) => ended));
      await open();
      const codes = await Promise.all(both.map(({ ended }) => ended));
      assert.equal(
        codes.filter((code) => code === 0).length,
        1,
        both.map((up) => up.output).join(),
      );
      const refused = both[codes.findIndex((code) => code !== 0)];
      assert.match(refused?.output ?? "", /busy/);
      await assertRuns(world.prod, to);
    });
  });

  describe("02 CLI and provider die, by SIGKILL", () => {
    /** Starts an `up`, and ends all of it at that step. */
    async function killAt(step: string): Promise<string> {
      const up = start();
      await reachStep(world.prod, step);
      assert.notDeepEqual(up.providers(), [], "no provider runs");
      up.signalAll("SIGKILL");
      await up.ended;
      await unlock();
      return (await world.prod.must(["cat", "/var/lib/nixos-promote/activation"])).trim();
    }

    it("the next up follows the transaction that runs, and confirms it", async () => {
      const { to } = await other();
      const cursor = await journalEnd(world.prod);
      const id = await killAt("health");
      const up = start();
      await up.says(/does this already/);
      await open();
      assert.equal(await up.ended, 0, up.output);
      const { output } = up;
      assert.match(
        output,
        new RegExp(
          `does this already: ${id}, started by ${US} at ${TIME}, whose process has ended\\. Following it`,
        ),
      );
      await assertRuns(world.prod, to);
      const transaction = await transactionOf();
      assert.deepEqual([transaction?.id, transaction?.outcome], [id, "committed"]);
      const switches = await switchesSince(world.prod, cursor);
      assert.equal(
        switches.filter((line) => /Started .*nixos-promote job activate/.test(line)).length,
        1,
      );
    });

    it("for another release the next up is refused", async () => {
      const { revision, from } = await other();
      world.configureActivation("prod", "timeouts: {confirm: 2}");
      const id = await killAt("health");
      await offer(revision === "b" ? "a" : "b");
      const output = await world.failingUp("prod");
      await open();
      assert.match(output.replace(/\s+/g, " "), new RegExp(`busy.*${id} \\(release`));
      await untilIdle(world.prod);
      await assertRuns(world.prod, from);
    });

    it("one that was rolled back meanwhile is told by the next preview, and once by an up", async () => {
      world.configureActivation("prod", "timeouts: {confirm: 2}");
      const { to } = await other();
      const id = await killAt("health");
      await open();
      await untilIdle(world.prod);
      const told = new RegExp(
        `The last transaction, ${id} \\(release [0-9a-f]{12} .*\\), started by ${US} at ${TIME}, whose end this stack has not seen, was rolled back: No confirmation came within 2 s.*Diagnostics: /var/lib/\\S+ on the host`,
      );
      assert.match(await world.preview("prod"), told);
      world.configureActivation("prod", "");
      assert.match((await world.up("prod")).output, told);
      await assertRuns(world.prod, to);
      assert.doesNotMatch(await world.preview("prod"), /The last transaction/);
    });

    it("one that was committed meanwhile leaves nothing to do, and a state that is true", async () => {
      world.configureActivation("prod", "confirm: false");
      await world.up("prod");
      const { to } = await other();
      const id = await killAt("health");
      await open();
      await untilIdle(world.prod);
      await assertRuns(world.prod, to);
      const before = await invocations(world.prod);
      const { output } = await world.up("prod");
      assert.match(
        output,
        new RegExp(`${id} .*whose end this stack has not seen, was committed at ${TIME}`),
      );
      assert.match(output, RECORDED);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
      const { inputs, outputs } = await world.profile("prod");
      assert.deepEqual(
        [inputs.toplevel, outputs.live.currentSystem, outputs.drift, outputs.transaction?.id],
        [to, to, [], id],
      );
      assert.doesNotMatch((await world.up("prod")).output, /The last transaction/);
    });

    it("one that was killed too is told as such, also after a reboot", async () => {
      const { from, to } = await other();
      const id = await killAt("health");
      await world.prod.must(["systemctl", "kill", "--signal=KILL", "nixos-promote-activate"]);
      const told = new RegExp(
        `${id} .*, started by ${US} at ${TIME}, whose end this stack has not seen, did not end: It was cut off in step health: killed, or the power was cut\\. .pulumi up. puts the host right`,
      );
      assert.match(await world.preview("prod"), told);
      await open();
      await world.prod.powerCut();
      await world.prod.boot();
      await assertRuns(world.prod, from);
      assert.match(await world.preview("prod"), told);
      await world.up("prod");
      await assertRuns(world.prod, to);
    });
  });

  describe("03 Ctrl-C", () => {
    const asking =
      /Asking choiros-prod to stop activate-\S+: it goes back to \S+, unless it is confirmed already; at most \d+ s more\. Ctrl-C again leaves the host to finish alone: it goes on by itself\. To look: .pulumi preview --stack prod., or on the host: .journalctl -u nixos-promote-activate., \/var\/lib\/nixos-promote\/jobs\/activate-\S+\/log\./;

    it("once: says what it waits for, and waits for it", async () => {
      const { from } = await other();
      const up = start();
      await reachStep(world.prod, "health");
      up.signal("SIGINT");
      await up.says(/Asking choiros-prod/);
      await open();
      assert.notEqual(await up.ended, 0);
      assert.match(up.output.replace(/\s+/g, " "), asking);
      assert.match(up.output, /Cancelled/);
      await assertRuns(world.prod, from);
      assert.equal((await transactionOf())?.outcome, "rolled-back");
    });

    it("twice: leaves at once, the host finishes alone, and the next preview tells how", async () => {
      const { from, to } = await other();
      const up = start();
      await reachStep(world.prod, "health");
      const family = up.family();
      up.signal("SIGINT");
      await up.says(/Asking choiros-prod/);
      const began = performance.now();
      up.signal("SIGINT");
      assert.notEqual(await up.ended, 0);
      assert.ok(performance.now() - began < 10_000, "it did not leave at once");
      assert.equal(await isIdle(world.prod), false, "the host had finished already");
      await nothingLeft(family);
      await open();
      await untilIdle(world.prod);
      await assertRuns(world.prod, from);
      const told = new RegExp(
        `started by ${US} at ${TIME}, whose end this stack has not seen, was rolled back: Cancelled`,
      );
      // No lock is left either.
      assert.match(await world.preview("prod"), told);
      assert.match((await world.up("prod")).output, told);
      await assertRuns(world.prod, to);
    });

    it("SIGTERM is the same as Ctrl-C", async () => {
      const { from, to } = await other();
      const up = start();
      await reachStep(world.prod, "health");
      const family = up.family();
      up.signal("SIGTERM");
      await up.says(/Asking choiros-prod/);
      await open();
      assert.notEqual(await up.ended, 0);
      await nothingLeft(family);
      await assertRuns(world.prod, from);
      assert.equal((await transactionOf())?.outcome, "rolled-back");
      await world.up("prod");
      await assertRuns(world.prod, to);
    });

    it("SIGHUP ends the CLI alone: the provider follows and confirms, then ends, and the next up knows it", async () => {
      const { to } = await other();
      const up = start();
      await reachStep(world.prod, "health");
      const family = up.family();
      up.signal("SIGHUP");
      await up.ended;
      await open();
      await untilIdle(world.prod);
      await assertRuns(world.prod, to);
      await nothingLeft(family);
      assert.match(await world.failingUp("prod"), /locked.*`pulumi cancel`/s);
      const { code, output: said } = await world.project.promote(["--skip-grind", "--yes"]);
      assert.equal(code, 1, said);
      assert.match(
        said,
        /did not begin with prod, so nothing was changed.*pulumi cancel --stack prod/,
      );
      await unlock();
      const { output } = await world.up("prod");
      assert.match(output, /whose end this stack has not seen, was committed at/);
      assert.match(output, RECORDED);
    });

    async function nothingLeft(family: readonly number[]): Promise<void> {
      // Pulumi's own language host looks for a CLI that was killed only every few minutes.
      const isOurs = (command: string) => !command.includes("pulumi-language-nodejs");
      const left = () => alive(family).filter(isOurs);
      await eventually("nothing of it is left", () => left().length === 0, 40).catch((error) =>
        assert.fail(`${error.message}: ${left().join("\n")}`),
      );
    }
  });

  describe("04 nothing goes wrong", () => {
    it("few connections are made for it", async () => {
      const { to } = await other();
      await open();
      const cursor = await journalEnd(world.prod);
      await world.up("prod");
      await assertRuns(world.prod, to);
      const argv = ["journalctl", "--no-pager", "--output=cat", `--after-cursor=${cursor}`];
      const lines = (await world.prod.must(argv)).split("\n");
      const connections = lines.filter((line) => line.startsWith("Accepted publickey")).length;
      if (process.env.E2E_SHOW) console.log(`      ${connections} connections`);
      assert.ok(connections >= 2, "they were not counted");
      assert.ok(connections <= 6, `${connections} connections`);
    });
  });

  describe("05 the laptop sleeps", () => {
    it("longer than the host waits: the verdict is told when it wakes up", async () => {
      world.configureActivation("prod", "timeouts: {confirm: 3}");
      const { from } = await other();
      const up = start();
      await reachStep(world.prod, "health");
      up.signalAll("SIGSTOP");
      await open();
      await untilIdle(world.prod);
      await assertRuns(world.prod, from);
      await sleep(40_000); // longer than any call may take
      assert.doesNotMatch(up.output, /No confirmation/);
      up.signalAll("SIGCONT");
      assert.notEqual(await up.ended, 0);
      assert.match(up.output, /No confirmation came within 3 s/);
      assert.match(up.output, /It rolled back by itself/);
      assert.equal((await transactionOf())?.outcome, "rolled-back");
    });
  });
});
