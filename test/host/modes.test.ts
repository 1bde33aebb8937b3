// The modes of an activation, on a real host: what each changes now, what at the next boot, and how each goes back.
import assert from "node:assert/strict";
import { run } from "./on-host.ts";
import { Prod, stepsOf, usualProbes } from "./prod.ts";

describe("modes", function () {
  this.timeout(120_000);
  const prod = Prod.alwaysSettled();
  let a: string;
  let b: string;

  before("release b is there too", async function () {
    this.timeout(300_000);
    a = prod.a;
    b = await prod.releases.onProd("b");
  });

  describe("test", () => {
    it("activates and proves, and leaves the boot default: a reboot goes back", async () => {
      const said = await prod.activate("b", { mode: "test" });
      assert.equal(said.outcome, "tested", said.reason ?? "");
      assert.equal(said.mode, "test");
      assert.deepEqual(stepsOf(said), [
        "preflight",
        "test",
        "health",
        "await-confirmation",
        "keep",
      ]);
      assert.ok(said.probes.every(({ ok }) => ok));
      assert.deepEqual(await prod.pointers(), [b, a, a]);
      const { roots, ledger } = await prod.look();
      assert.deepEqual([roots["tested"], roots["current"]], [b, a]);
      assert.deepEqual([ledger?.["outcome"], ledger?.["mode"]], ["tested", "test"]);
      await prod.host.powerCut();
      await prod.host.boot();
      await prod.isAtRest();
    });

    it("holds what runs and the way back against a garbage collection", async () => {
      await prod.activate("b", { mode: "test" });
      await prod.host.must(["nix-store", "--add", "/etc/hostname"]);
      const dead = await prod.host.must(["nix-store", "--gc", "--print-dead"]);
      assert.match(dead, /-hostname/, "there is garbage at all");
      for (const path of [a, b]) assert.ok(!dead.includes(path), `${path} is not held`);
    });

    it("after a test that passed, a bad release goes back to what was tested", async () => {
      await prod.activate("b", { mode: "test" });
      const said = await prod.activate("bad-unit", { mode: "test" });
      assert.equal(said.outcome, "rolled-back");
      assert.deepEqual(await prod.pointers(), [b, a, a]);
    });

    it("can be made good by a switch, which then keeps no root of the trial", async () => {
      await prod.activate("b", { mode: "test" });
      assert.equal((await prod.activate("b")).outcome, "committed");
      assert.deepEqual(await prod.pointers(), [b, b, b]);
      assert.equal("tested" in (await prod.look()).roots, false);
    });

    it("rolls back what is not healthy, and what nobody confirms", async () => {
      const sick = await prod.activate("c-503", { mode: "test" });
      assert.equal(sick.outcome, "rolled-back");
      await prod.isAsBefore();
      const unconfirmed = await prod.activate("b", { mode: "test", confirm: true });
      assert.equal(unconfirmed.failedStep, "await-confirmation");
      assert.equal(unconfirmed.outcome, "rolled-back");
      await prod.isAsBefore();
    });
  });

  describe("boot", () => {
    it("sets profile and boot default, and touches nothing that runs; a reboot runs it", async () => {
      const before = await prod.invocations();
      const said = await prod.activate("b", { mode: "boot", confirm: true });
      assert.equal(said.outcome, "committed", said.reason ?? "");
      assert.deepEqual(stepsOf(said), ["preflight", "boot"]);
      assert.equal(said.switch?.exit, 0);
      assert.deepEqual(said.probes, []);
      assert.deepEqual(await prod.pointers(), [a, b, b]);
      assert.deepEqual(await prod.invocations(), before);
      await prod.host.powerCut();
      await prod.host.boot();
      assert.deepEqual(await prod.pointers(), [b, b, b]);
    });

    it("takes a release that a switch refuses", async () => {
      assert.equal((await prod.activate("boot-only")).outcome, "refused");
      const said = await prod.activate("boot-only", { mode: "boot" });
      assert.equal(said.outcome, "committed", said.reason ?? "");
      const [running, ...next] = await prod.pointers();
      assert.equal(running, a);
      assert.deepEqual(next, Array(2).fill(await prod.releases.onProd("boot-only")));
    });

    it("puts profile and boot default back when it fails", async () => {
      const before = await prod.invocations();
      const said = await prod.activate("bad-check", { mode: "boot" });
      assert.equal(said.outcome, "refused");
      assert.match(
        said.reason ?? "",
        /boot default could not be written: Pre-switch checks failed/,
      );
      assert.deepEqual(stepsOf(said), ["preflight", "boot", "put-back"]);
      await prod.isAsBefore();
      assert.deepEqual(await prod.invocations(), before);
    });

    it("tells that the boot loader is in doubt, until it has been written", async () => {
      const loader = "/boot/loader";
      await prod.host.must(["mount", "--bind", "-o", "ro", loader, loader]);
      try {
        const said = await prod.activate("b", { mode: "boot" });
        assert.equal(said.outcome, "refused");
        assert.match(said.reason ?? "", /could not be written for \/nix\/store\S+ either: /);
        assert.equal((await prod.look()).bootUnproven, a);
      } finally {
        await prod.host.must(["umount", loader]);
      }
      assert.equal((await prod.activate("a")).outcome, "committed");
      assert.equal((await prod.look()).bootUnproven, null);
    });
  });

  describe("immediate", () => {
    it("makes it the boot default first, then runs and proves it, and asks nobody", async () => {
      const soak = { mode: "immediate", confirm: true, probes: usualProbes({ soakSeconds: 3 }) };
      const job = await prod.beginTo("health", "b", soak);
      assert.deepEqual(await prod.pointers(), [b, b, b], "before it is proven");
      const said = await prod.end(job);
      assert.equal(said.outcome, "committed", said.reason ?? "");
      assert.deepEqual(stepsOf(said), ["preflight", "switch", "health", "record"]);
      assert.deepEqual((await prod.look()).roots, { current: b, previous: a });
    });

    it("goes back by path, boot default and profile included, when it is not healthy", async () => {
      const said = await prod.activate("c-503", { mode: "immediate" });
      assert.equal(said.outcome, "rolled-back", said.reason ?? "");
      assert.equal(said.failedStep, "health");
      assert.match(said.reason ?? "", /^hypervisor is not healthy: 503\.$/);
      assert.ok(said.diagnostics);
      assert.ok(said.healthAfterRollback?.every(({ ok }) => ok));
      await prod.isAsBefore();
    });

    it("goes back when the activation script fails", async () => {
      const said = await prod.activate("bad-activate", { mode: "immediate" });
      assert.equal(said.outcome, "rolled-back");
      assert.equal(said.failedStep, "switch");
      await prod.isAsBefore();
    });

    it("puts the boot default back, and restarts nothing, when the switch is refused", async () => {
      const before = await prod.invocations();
      const said = await prod.activate("bad-check", { mode: "immediate" });
      assert.equal(said.outcome, "refused");
      assert.deepEqual(stepsOf(said), ["preflight", "switch", "put-back"]);
      await prod.isAsBefore();
      assert.deepEqual(await prod.invocations(), before);
    });
  });

  describe("dry-activate", () => {
    it("shows what a switch would do, and changes nothing", async () => {
      const [before, invocations] = [await prod.look(), await prod.invocations()];
      const said = await prod.activate("b", { mode: "dry-activate" });
      assert.equal(said.outcome, "shown", said.reason ?? "");
      assert.deepEqual(stepsOf(said), ["preflight", "show"]);
      assert.match(said.shown ?? "", /would stop the following units: .*hypervisor\.service/);
      assert.deepEqual(await prod.look(), before);
      assert.deepEqual(await prod.invocations(), invocations);
      await prod.isAsBefore();
    });

    it("tells why it cannot show it", async () => {
      const said = await prod.activate("bad-check", { mode: "dry-activate" });
      assert.equal(said.outcome, "refused");
      assert.match(said.reason ?? "", /dry-activate ended with 1: Pre-switch checks failed/);
      await prod.isAsBefore();
    });
  });

  it("a mode that does not exist is refused before anything is looked at", async () => {
    const job = await prod.job("b", { mode: "yolo; reboot" });
    const { result } = await run(prod.host, job);
    assert.match(JSON.stringify(result), /\[mode\] is not one of switch, immediate, boot/);
  });
});
