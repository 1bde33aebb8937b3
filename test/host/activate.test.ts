// The transaction, on a real host: good releases stay, all others leave the host as it was.
import assert from "node:assert/strict";
import { verdict } from "../../contract/verdict.ts";
import { ask, eventually, finish, follow, reach, start } from "./on-host.ts";
import { ASKING, type More, Prod, SOAKING, stepsOf, usualProbes } from "./prod.ts";
import { UNITS } from "./releases.ts";

const UNIT = "nixos-promote-activate.service";

describe("activate", function () {
  this.timeout(120_000);
  const prod = Prod.alwaysSettled();

  it("commits a good release: profile, boot default, roots, ledger", async () => {
    const b = await prod.releases.onProd("b");
    const said = await prod.activate("b", {
      release: { rev: "b", subject: 'say "b"' },
    });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.deepEqual(stepsOf(said), [
      "preflight",
      ...["test", "health", "await-confirmation", "commit"],
    ]);
    assert.equal(said.before.currentSystem, prod.a);
    const state = await prod.look();
    assert.equal(state.currentSystem, b);
    assert.equal(state.profile, b);
    assert.equal(await prod.bootDefault(), b);
    assert.deepEqual(state.roots, { current: b, previous: prod.a });
    assert.equal(state.ledger?.["toplevel"], b);
    assert.equal(state.ledger?.["previous"], prod.a);
    assert.deepEqual(state.ledger?.["release"], {
      rev: "b",
      subject: 'say "b"',
    });
    for (const unit of UNITS) assert.notEqual(state.units[unit]?.memberOf, false, unit);
  });

  it("may be given what runs already, and still knows what ran before it", async () => {
    assert.equal((await prod.activate("b")).outcome, "committed");
    assert.equal((await prod.activate("b")).outcome, "committed");
    const { roots } = await prod.look();
    assert.deepEqual(roots, { current: await prod.releases.onProd("b"), previous: prod.a });
  });

  it("rolls back a release that answers 503, and says so first in the diagnostics", async () => {
    const said = await prod.activate("c-503");
    prod.isRolledBack(said, "health", /^hypervisor is not healthy: 503\.$/);
    assert.match(
      said.diagnostics ?? "",
      /^hypervisor is not healthy: 503\.\n\n== Probes\nhypervisor \(http\): 503/,
    );
    assert.ok(Buffer.byteLength(said.diagnostics ?? "") < 4200);
    assert.match(await prod.host.must(["cat", said.diagnosticsFile ?? ""]), /== Memory/);
    await prod.isAsBefore();
  });

  it("rolls back a release whose unit fails, without waiting for the deadline", async () => {
    const patient = usualProbes({ deadlineSeconds: 60 });
    const began = Date.now();
    const said = await prod.activate("bad-unit", { probes: patient });
    prod.isRolledBack(said, "health", /hypervisor\.service/);
    assert.equal(said.switch?.exit, 4);
    assert.match(said.diagnostics ?? "", /== Failed units\nhypervisor\.service/);
    assert.ok(Date.now() - began < 30_000);
    await prod.isAsBefore();
  });

  it("rolls back when the activation script fails", async () => {
    prod.isRolledBack(
      await prod.activate("bad-activate"),
      "test",
      /activation script of the release failed/,
    );
    await prod.isAsBefore();
  });

  it("rolls back a service that dies in its soak, although the switch said 0", async () => {
    const soak = usualProbes({ soakSeconds: 6, deadlineSeconds: 3 });
    const said = await prod.activate("late-crash", { probes: soak });
    assert.equal(said.switch?.exit, 0);
    prod.isRolledBack(
      said,
      "health",
      /was healthy for [\d.]+ s, then|units of it have failed since/,
    );
    await prod.isAsBefore();
  });

  it("rolls back when the old process runs on under the new release", async () => {
    const said = await prod.activate("stale");
    prod.isRolledBack(
      said,
      "health",
      /sandbox-\w+\.service is not healthy: active \(running\), but process \d+ runs \S+, which is not in the release/,
    );
    await prod.isAsBefore();
  });

  it("refuses, and touches nothing, when a check forbids the switch", async () => {
    const said = await prod.activate("bad-check");
    assert.equal(said.outcome, "refused");
    assert.equal(said.switch?.exit, 1);
    assert.equal(said.rollback, null);
    assert.match(said.reason ?? "", /Nothing was changed\.$/);
    await prod.isAsBefore();
  });

  it("commits when the operator confirms, and takes the confirmation twice", async () => {
    const wanted = await prod.beginTo("await-confirmation", "b", ASKING);
    assert.equal(
      await prod.bootDefault(),
      prod.a,
      "the boot default is untouched before the commit",
    );
    assert.deepEqual((await prod.look()).activation, {
      id: wanted.id,
      step: "await-confirmation",
    });
    const { id } = wanted;
    assert.equal((await ask(prod.host, "confirm", { id }))["accepted"], true);
    const toTheEnd = { id, waitSeconds: 20, settleSeconds: 20 };
    const { accepted, news } = await ask(prod.host, "confirm", toTheEnd);
    assert.equal(accepted, true);
    assert.equal((news as { state: string }).state, "finished");
    const said = await prod.end(wanted);
    assert.equal(said.outcome, "committed");
    assert.equal((await ask(prod.host, "cancel", { id: wanted.id }))["cancelled"], false);
  });

  it("rolls back when nobody confirms; a late confirmation is not accepted", async () => {
    const wanted = await prod.begin(await prod.job("b", { confirm: true }));
    const said = await prod.end(wanted);
    prod.isRolledBack(said, "await-confirmation", /No confirmation came within 2 s/);
    assert.equal((await ask(prod.host, "confirm", { id: wanted.id }))["accepted"], false);
    await prod.isAsBefore();
  });

  it("rolls back when it is cancelled: while waiting for health, and for the confirmation", async () => {
    for (const [step, more] of [
      ["health", { probes: SOAKING }],
      ["await-confirmation", ASKING],
    ] as [string, More][]) {
      const wanted = await prod.beginTo(step, "b", more);
      assert.deepEqual(await ask(prod.host, "cancel", { id: wanted.id }), {
        cancelled: true,
        decision: "cancelled",
        step,
      });
      prod.isRolledBack(await prod.end(wanted), step, /^Cancelled/);
      await prod.isAsBefore();
    }
  });

  it("rolls back when systemd stops it", async () => {
    const wanted = await prod.beginTo("health", "b", { probes: SOAKING });
    await prod.host.must(["systemctl", "stop", UNIT]);
    prod.isRolledBack(
      verdict.parse((await follow(prod.host, wanted.id)).result),
      "health",
      /^Cancelled/,
    );
    await prod.isAsBefore();
  });

  it("runs once when it is delivered twice, and keeps a second operator out", async () => {
    const wanted = await prod.job("b", ASKING);
    const both = await Promise.all([start(prod.host, wanted), start(prod.host, wanted)]);
    assert.deepEqual(both.map(({ started }) => started).sort(), [false, true]);
    await reach(prod.host, wanted.id, "await-confirmation");
    const other = (await start(prod.host, await prod.job("c-503"))) as {
      error: { code: string; message: string };
    };
    assert.equal(other.error.code, "busy");
    assert.match(
      other.error.message,
      new RegExp(`busy with ${wanted.id}.* it is at the step 'await-confirmation'`),
    );
    await ask(prod.host, "cancel", { id: wanted.id });
    await finish(prod.host, wanted.id);
    await prod.isAsBefore();
  });

  it("killed: it is lost, the truth is seen, the next one goes back to what was proven", async () => {
    const wanted = await prod.beginTo("health", "b", { probes: SOAKING });
    await prod.host.must(["systemctl", "kill", "--signal=KILL", UNIT]);
    await eventually(
      "the job is lost",
      async () => (await follow(prod.host, wanted.id)).state === "lost",
    );
    const state = await prod.look();
    assert.equal(state.currentSystem, await prod.releases.onProd("b"));
    assert.equal(state.profile, prod.a);
    assert.equal(await prod.bootDefault(), prod.a);
    assert.equal(state.activation, null);
    assert.deepEqual(state.interrupted, { id: wanted.id, step: "health" });

    // b was on trial only, so a bad release must not lead back to it.
    const said = await prod.activate("c-503");
    assert.equal(said.before.currentSystem, await prod.releases.onProd("b"));
    prod.isRolledBack(said, "health", /503/);
    assert.equal((await prod.look()).interrupted, null);
    await prod.isAsBefore();
  });

  it("power cut: the host boots what it ran before", async () => {
    const wanted = await prod.beginTo("health", "b", { probes: SOAKING });
    await prod.host.powerCut();
    await prod.host.boot();
    const state = await prod.look();
    assert.equal(state.currentSystem, prod.a);
    assert.equal(state.bootedSystem, prod.a);
    assert.equal((await follow(prod.host, wanted.id)).state, "lost");
    assert.deepEqual(state.interrupted, { id: wanted.id, step: "health" });
    assert.equal((await prod.activate("a")).outcome, "committed");
    await prod.isAsBefore();
  });

  it("shut down in the middle: it does not stand in the way, and the host boots what it ran before", async () => {
    const wanted = await prod.beginTo("health", "b", { probes: SOAKING });
    const began = Date.now();
    await prod.host.exec(["systemctl", "poweroff"]);
    await eventually("the host is off", async () => !prod.host.isRunning());
    assert.ok(Date.now() - began < 15_000);
    await prod.host.boot();
    const state = await prod.look();
    assert.equal(state.currentSystem, prod.a);
    assert.equal((await follow(prod.host, wanted.id)).state, "lost");
    assert.deepEqual(state.interrupted, { id: wanted.id, step: "health" });
    assert.equal((await prod.activate("a")).outcome, "committed");
    await prod.isAsBefore();
  });

  it("comes to its end, and tells it, when the disk is full meanwhile", async () => {
    const state = "/var/lib/nixos-promote";
    await prod.host.must(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", state]);
    try {
      const probes = usualProbes({ soakSeconds: 4 });
      const wanted = await prod.beginTo("health", "b", { probes, confirm: true });
      // More than once: a status that is being replaced just then gives its page back.
      for (const name of ["full", "fuller", "fullest"])
        assert.notEqual((await prod.host.exec(["cp", "/dev/zero", `${state}/${name}`])).code, 0);
      await reach(prod.host, wanted.id, "await-confirmation");
      assert.equal((await ask(prod.host, "confirm", { id: wanted.id }))["accepted"], true);
      const ended = await finish(prod.host, wanted.id);
      const onDisk = await prod.host.must(["cat", `${state}/jobs/${wanted.id}/status.json`]);
      assert.match(onDisk, /"step":"health"/, "the disk was not full");
      assert.equal(ended.step, "done");
      const said = verdict.parse(ended.result);
      assert.equal(said.outcome, "committed", said.reason ?? "");
      assert.equal((await prod.look()).profile, await prod.releases.onProd("b"));
    } finally {
      await prod.host.must(["umount", "--lazy", state]);
    }
  });

  it("does not blame a release for a unit that had failed before", async () => {
    await prod.host.must(["bash", "-c", "systemd-run --unit=elsewhere false; sleep 0.5"]);
    assert.deepEqual((await prod.look()).failedUnits, ["elsewhere.service"]);
    const said = await prod.activate("b");
    assert.equal(said.outcome, "committed", said.reason ?? "");
    await prod.host.exec(["systemctl", "reset-failed"]);
  });

  it("takes hostile text anywhere for what it is", async () => {
    const text = "$(touch /tmp/owned) `touch /tmp/owned` '\"\n; touch /tmp/owned";
    const strange = [
      ...usualProbes(),
      {
        name: text,
        kind: "command",
        argv: ["test", text, "=", text],
        place: [],
        deadlineSeconds: 1,
      },
    ];
    const said = await prod.activate("b", {
      release: { rev: text, subject: text },
      probes: strange,
    });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.equal(said.probes.at(-1)?.name, text);
    assert.deepEqual((await prod.look()).ledger?.["release"], {
      rev: text,
      subject: text,
    });
    assert.notEqual((await prod.host.exec(["test", "-e", "/tmp/owned"])).code, 0);
  });
});
