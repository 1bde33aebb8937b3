// The transaction, on a real host: good releases stay, all others leave the host as it was.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type HostState, hostState } from "../../contract/host-state.ts";
import { type Verdict, verdict } from "../../contract/verdict.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { ask, eventually, finish, follow, type Job, newId, reach, run, start } from "./on-host.ts";
import { Releases, UNITS } from "./releases.ts";

const UNIT = "nixos-promote-activate.service";

describe("activate", function () {
  this.timeout(120_000);
  let on: Releases;
  let a: string;

  before("a lab whose prod runs release a", async function () {
    this.timeout(300_000);
    on = await Releases.open(process.env["TEST_LAB"] ?? "test");
    await on.prod.reset();
    a = await on.onProd("a");
    assert.equal((await activate("a")).outcome, "committed");
  });
  after(async () => {
    await on?.prod.reset();
    await on?.close();
  });
  // Every test leaves prod with a, by its own doing or by this.
  beforeEach(async () => {
    if ((await look()).currentSystem !== a)
      assert.equal((await activate("a")).outcome, "committed");
  });

  const probes = [
    {
      name: "hypervisor",
      kind: "http",
      url: "http://127.0.0.1:9090/health",
      status: [200],
    },
    ...UNITS.map((unit) => ({
      name: unit,
      kind: "unit",
      unit,
      identity: true,
    })),
  ].map((probe) => ({
    ...probe,
    intervalSeconds: 0.2,
    deadlineSeconds: 2,
    soakSeconds: 0,
  }));

  async function job(tag: string, more: { [key: string]: Argument } = {}): Promise<Job> {
    const argument = {
      toplevel: await on.onProd(tag),
      release: { rev: tag },
      mode: "switch",
      confirm: false,
      timeouts: { switch: 30, confirm: 2, rollback: 30 },
      probes,
      diagnostics: { units: UNITS, lines: 20, bytes: 4000 },
      ...more,
    };
    return { id: newId("activate"), command: "activate", argument };
  }

  async function activate(tag: string, more: { [key: string]: Argument } = {}): Promise<Verdict> {
    const ended = await run(on.prod, await job(tag, more));
    return verdict.parse(ended.result);
  }

  async function look(): Promise<HostState> {
    return hostState.parse(await ask(on.prod, "observe", { units: UNITS, paths: [] }));
  }

  async function bootDefault(): Promise<string> {
    return (await readFile(`${on.prod.root}/boot/loader/default`, "utf8")).trim();
  }

  /** The host runs `a` as if nothing had been tried. */
  async function isAsBefore(): Promise<void> {
    const state = await look();
    assert.equal(state.currentSystem, a);
    assert.equal(state.profile, a);
    assert.equal(await bootDefault(), a);
    assert.equal(state.activation, null);
    assert.deepEqual(state.failedUnits, []);
    assert.deepEqual(
      Object.keys(state.roots).filter((name) => name.startsWith("transaction")),
      [],
    );
    for (const unit of UNITS) {
      assert.equal(state.units[unit]?.active, "active", unit);
      assert.notEqual(state.units[unit]?.memberOf, false, unit);
    }
  }

  function isRolledBack(said: Verdict, step: string, reason: RegExp): void {
    assert.equal(said.outcome, "rolled-back", said.reason ?? "");
    assert.equal(said.failedStep, step);
    assert.match(said.reason ?? "", reason);
    assert.equal(said.after.currentSystem, a);
    assert.equal(said.after.profile, a);
    for (const probe of said.healthAfterRollback ?? [])
      assert.ok(probe.ok, `${probe.name}: ${probe.answer}`);
    assert.ok((said.healthAfterRollback ?? []).length > 0);
    assert.ok(said.diagnostics);
  }

  it("commits a good release: profile, boot default, roots, ledger", async () => {
    const b = await on.onProd("b");
    const said = await activate("b", {
      release: { rev: "b", subject: 'say "b"' },
    });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.deepEqual(
      said.steps.map(({ name }) => name),
      ["preflight", "test", "health", "await-confirmation", "commit"],
    );
    assert.equal(said.before.currentSystem, a);
    const state = await look();
    assert.equal(state.currentSystem, b);
    assert.equal(state.profile, b);
    assert.equal(await bootDefault(), b);
    assert.deepEqual(state.roots, { current: b, previous: a });
    assert.equal(state.ledger?.["toplevel"], b);
    assert.equal(state.ledger?.["previous"], a);
    assert.deepEqual(state.ledger?.["release"], {
      rev: "b",
      subject: 'say "b"',
    });
    for (const unit of UNITS) assert.notEqual(state.units[unit]?.memberOf, false, unit);
  });

  it("may be given what runs already, and still knows what ran before it", async () => {
    assert.equal((await activate("b")).outcome, "committed");
    assert.equal((await activate("b")).outcome, "committed");
    const { roots } = await look();
    assert.deepEqual(roots, { current: await on.onProd("b"), previous: a });
  });

  it("rolls back a release that answers 503, and says so first in the diagnostics", async () => {
    const said = await activate("c-503");
    isRolledBack(said, "health", /^hypervisor is not healthy: 503\.$/);
    assert.match(
      said.diagnostics ?? "",
      /^hypervisor is not healthy: 503\.\n\n== Probes\nhypervisor \(http\): 503/,
    );
    assert.ok(Buffer.byteLength(said.diagnostics ?? "") < 4200);
    assert.match(await on.prod.must(["cat", said.diagnosticsFile ?? ""]), /== Memory/);
    await isAsBefore();
  });

  it("rolls back a release whose unit fails, without waiting for the deadline", async () => {
    const patient = probes.map((probe) => ({ ...probe, deadlineSeconds: 60 }));
    const began = Date.now();
    const said = await activate("bad-unit", { probes: patient });
    isRolledBack(said, "health", /hypervisor\.service/);
    assert.equal(said.switch?.exit, 4);
    assert.match(said.diagnostics ?? "", /== Failed units\nhypervisor\.service/);
    assert.ok(Date.now() - began < 30_000);
    await isAsBefore();
  });

  it("rolls back when the activation script fails", async () => {
    isRolledBack(await activate("bad-activate"), "test", /activation script of the release failed/);
    await isAsBefore();
  });

  it("rolls back a service that dies in its soak, although the switch said 0", async () => {
    const soak = probes.map((probe) => ({
      ...probe,
      soakSeconds: 6,
      deadlineSeconds: 3,
    }));
    const said = await activate("late-crash", { probes: soak });
    assert.equal(said.switch?.exit, 0);
    isRolledBack(said, "health", /was healthy for [\d.]+ s, then|units of it have failed since/);
    await isAsBefore();
  });

  it("rolls back when the old process runs on under the new release", async () => {
    const said = await activate("stale");
    isRolledBack(
      said,
      "health",
      /sandbox-\w+\.service is not healthy: active \(running\), but process \d+ runs \S+, which is not in the release/,
    );
    await isAsBefore();
  });

  it("refuses, and touches nothing, when a check forbids the switch", async () => {
    const said = await activate("bad-check");
    assert.equal(said.outcome, "refused");
    assert.equal(said.switch?.exit, 1);
    assert.equal(said.rollback, null);
    assert.match(said.reason ?? "", /Nothing was changed\.$/);
    await isAsBefore();
  });

  it("commits when the operator confirms, and takes the confirmation twice", async () => {
    const wanted = await job("b", {
      confirm: true,
      timeouts: { switch: 30, confirm: 30, rollback: 30 },
    });
    await start(on.prod, wanted);
    await reach(on.prod, wanted.id, "await-confirmation");
    assert.equal(await bootDefault(), a, "the boot default is untouched before the commit");
    assert.deepEqual((await look()).activation, {
      id: wanted.id,
      step: "await-confirmation",
    });
    for (let i = 0; i < 2; i++) {
      assert.equal((await ask(on.prod, "confirm", { id: wanted.id }))["accepted"], true);
    }
    const said = verdict.parse((await finish(on.prod, wanted.id)).result);
    assert.equal(said.outcome, "committed");
    assert.equal((await ask(on.prod, "cancel", { id: wanted.id }))["cancelled"], false);
  });

  it("rolls back when nobody confirms; a late confirmation is not accepted", async () => {
    const wanted = await job("b", { confirm: true });
    await start(on.prod, wanted);
    const said = verdict.parse((await finish(on.prod, wanted.id)).result);
    isRolledBack(said, "await-confirmation", /No confirmation came within 2 s/);
    assert.equal((await ask(on.prod, "confirm", { id: wanted.id }))["accepted"], false);
    await isAsBefore();
  });

  it("rolls back when it is cancelled: while waiting for health, and for the confirmation", async () => {
    const slow = probes.map((probe) => ({ ...probe, soakSeconds: 60 }));
    const long = { switch: 30, confirm: 60, rollback: 30 };
    for (const [step, more] of [
      ["health", { probes: slow }],
      ["await-confirmation", { confirm: true, timeouts: long }],
    ] as [string, { [key: string]: Argument }][]) {
      const wanted = await job("b", more);
      await start(on.prod, wanted);
      await reach(on.prod, wanted.id, step);
      assert.deepEqual(await ask(on.prod, "cancel", { id: wanted.id }), {
        cancelled: true,
        decision: "cancelled",
        step,
      });
      isRolledBack(verdict.parse((await finish(on.prod, wanted.id)).result), step, /^Cancelled/);
      await isAsBefore();
    }
  });

  it("rolls back when systemd stops it", async () => {
    const wanted = await job("b", {
      probes: probes.map((probe) => ({ ...probe, soakSeconds: 60 })),
    });
    await start(on.prod, wanted);
    await reach(on.prod, wanted.id, "health");
    await on.prod.must(["systemctl", "stop", UNIT]);
    isRolledBack(verdict.parse((await follow(on.prod, wanted.id)).result), "health", /^Cancelled/);
    await isAsBefore();
  });

  it("runs once when it is delivered twice, and keeps a second operator out", async () => {
    const wanted = await job("b", {
      confirm: true,
      timeouts: { switch: 30, confirm: 30, rollback: 30 },
    });
    const both = await Promise.all([start(on.prod, wanted), start(on.prod, wanted)]);
    assert.deepEqual(both.map(({ started }) => started).sort(), [false, true]);
    await reach(on.prod, wanted.id, "await-confirmation");
    const other = (await start(on.prod, await job("c-503"))) as {
      error: { code: string; message: string };
    };
    assert.equal(other.error.code, "busy");
    assert.match(
      other.error.message,
      new RegExp(`busy with ${wanted.id}.* it is at the step 'await-confirmation'`),
    );
    await ask(on.prod, "cancel", { id: wanted.id });
    await finish(on.prod, wanted.id);
    await isAsBefore();
  });

  it("killed: it is lost, the truth is seen, the next one goes back to what was proven", async () => {
    const wanted = await job("b", {
      probes: probes.map((probe) => ({ ...probe, soakSeconds: 60 })),
    });
    await start(on.prod, wanted);
    await reach(on.prod, wanted.id, "health");
    await on.prod.must(["systemctl", "kill", "--signal=KILL", UNIT]);
    await eventually(
      "the job is lost",
      async () => (await follow(on.prod, wanted.id)).state === "lost",
    );
    const state = await look();
    assert.equal(state.currentSystem, await on.onProd("b"));
    assert.equal(state.profile, a);
    assert.equal(await bootDefault(), a);
    assert.equal(state.activation, null);
    assert.deepEqual(state.interrupted, { id: wanted.id, step: "health" });

    // b was on trial only, so a bad release must not lead back to it.
    const said = await activate("c-503");
    assert.equal(said.before.currentSystem, await on.onProd("b"));
    isRolledBack(said, "health", /503/);
    assert.equal((await look()).interrupted, null);
    await isAsBefore();
  });

  it("power cut: the host boots what it ran before", async () => {
    const wanted = await job("b", {
      probes: probes.map((probe) => ({ ...probe, soakSeconds: 60 })),
    });
    await start(on.prod, wanted);
    await reach(on.prod, wanted.id, "health");
    await on.prod.powerCut();
    await on.prod.boot();
    const state = await look();
    assert.equal(state.currentSystem, a);
    assert.equal(state.bootedSystem, a);
    assert.equal((await follow(on.prod, wanted.id)).state, "lost");
    assert.deepEqual(state.interrupted, { id: wanted.id, step: "health" });
    assert.equal((await activate("a")).outcome, "committed");
    await isAsBefore();
  });

  it("shut down in the middle: it does not stand in the way, and the host boots what it ran before", async () => {
    const soak = probes.map((probe) => ({ ...probe, soakSeconds: 60 }));
    const wanted = await job("b", { probes: soak });
    await start(on.prod, wanted);
    await reach(on.prod, wanted.id, "health");
    const began = Date.now();
    await on.prod.exec(["systemctl", "poweroff"]);
    await eventually("the host is off", async () => !on.prod.isRunning());
    assert.ok(Date.now() - began < 15_000);
    await on.prod.boot();
    const state = await look();
    assert.equal(state.currentSystem, a);
    assert.equal((await follow(on.prod, wanted.id)).state, "lost");
    assert.deepEqual(state.interrupted, { id: wanted.id, step: "health" });
    assert.equal((await activate("a")).outcome, "committed");
    await isAsBefore();
  });

  it("comes to its end, and tells it, when the disk is full meanwhile", async () => {
    const state = "/var/lib/nixos-promote";
    await on.prod.must(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", state]);
    try {
      const soak = probes.map((probe) => ({ ...probe, soakSeconds: 4 }));
      const wanted = await job("b", { probes: soak, confirm: true });
      await start(on.prod, wanted);
      await reach(on.prod, wanted.id, "health");
      assert.notEqual((await on.prod.exec(["cp", "/dev/zero", `${state}/full`])).code, 0);
      await reach(on.prod, wanted.id, "await-confirmation");
      assert.equal((await ask(on.prod, "confirm", { id: wanted.id }))["accepted"], true);
      const ended = await finish(on.prod, wanted.id);
      const onDisk = await on.prod.must(["cat", `${state}/jobs/${wanted.id}/status.json`]);
      assert.match(onDisk, /"step":"health"/, "the disk was not full");
      assert.equal(ended.step, "done");
      const said = verdict.parse(ended.result);
      assert.equal(said.outcome, "committed", said.reason ?? "");
      assert.equal((await look()).profile, await on.onProd("b"));
    } finally {
      await on.prod.must(["umount", "--lazy", state]);
    }
  });

  it("does not blame a release for a unit that had failed before", async () => {
    await on.prod.must(["bash", "-c", "systemd-run --unit=elsewhere false; sleep 0.5"]);
    assert.deepEqual((await look()).failedUnits, ["elsewhere.service"]);
    const said = await activate("b");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    await on.prod.exec(["systemctl", "reset-failed"]);
  });

  it("takes hostile text anywhere for what it is", async () => {
    const text = "$(touch /tmp/owned) `touch /tmp/owned` '\"\n; touch /tmp/owned";
    const strange = [
      ...probes,
      {
        name: text,
        kind: "command",
        argv: ["test", text, "=", text],
        place: [],
        deadlineSeconds: 1,
      },
    ];
    const said = await activate("b", {
      release: { rev: text, subject: text },
      probes: strange,
    });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.equal(said.probes.at(-1)?.name, text);
    assert.deepEqual((await look()).ledger?.["release"], {
      rev: text,
      subject: text,
    });
    assert.notEqual((await on.prod.exec(["test", "-e", "/tmp/owned"])).code, 0);
  });
});
