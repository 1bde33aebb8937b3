// What a switch says, where, and how long it takes.
import assert from "node:assert/strict";
import { names, SwitchHost } from "./switch-host.ts";

describe("switch-to-configuration: messages", function () {
  this.timeout(120_000);
  let on: SwitchHost;
  let systems: Record<
    "one" | "two" | "newUnit" | "bad" | "changedBad" | "otherManager" | "asks" | "inhibited",
    string
  >;

  before(async () => {
    on = await SwitchHost.open();
    const oneshot = (program: string) => `{
      wantedBy = [ "multi-user.target" ];
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; ExecStart = "${program}"; };
    }`;
    systems = await on.build({
      one: `{ systemd.services = { B-two = service "1"; a-one = service "1"; C = service "1"; }; }`,
      two: `{ systemd.services = { B-two = service "2"; a-one = service "2"; C = service "2"; }; }`,
      newUnit: `{ systemd.services = {
        B-two = service "1"; a-one = service "1"; C = service "1"; new = service "n";
      }; }`,
      bad: `{ systemd.services = { job = ${oneshot("/usr/bin/true")}; }; }`,
      changedBad: `{ systemd.services = { job = ${oneshot("/usr/bin/false")}; }; }`,
      otherManager: `{ systemd.settings.Manager.StatusUnitFormat = "name"; }`,
      asks: `{
        systemd.services.app = service "app";
        system.activationScripts.ask = ''
          echo app.service > /run/nixos/activation-restart-list
        '';
      }`,
      inhibited: `{ system.switch.inhibitors.dbus = "broker"; }`,
    });
  });
  beforeEach(() => on.settle());
  after(() => on?.close());

  const journal = async () =>
    (await on.host.must(["journalctl", "-t", "nixos", "-o", "cat"])).split("\n").filter(Boolean);

  it("rule 10: messages on stderr, in order, lists sorted without regard to case", async () => {
    await on.must(systems.one, "test");
    const ran = await on.must(systems.two, "test");
    const units = "a-one.service, B-two.service, C.service";
    assert.deepEqual(ran.stderr.split("\n"), [
      `stopping the following units: ${units}`,
      "activating the configuration...",
      "restarting sysinit-reactivation.target",
      `starting the following units: ${units}`,
      "",
    ]);
    assert.equal(ran.stdout, "setting up /etc...\n", "what activate prints is on stdout");
  });

  it("rule 10: the status of failed units is on stdout", async () => {
    const ran = await on.run(systems.changedBad, "test");
    assert.equal(ran.code, 4);
    assert.match(ran.stderr, /^warning: the following units failed: job\.service$/m);
    assert.doesNotMatch(ran.stderr, /Failed to start/, "a unit that its target wants");
    assert.match(ran.stdout, /^× job\.service/m);
  });

  it("a changed unit whose start job fails is named twice", async () => {
    await on.must(systems.bad, "test");
    const ran = await on.run(systems.changedBad, "test");
    assert.equal(ran.code, 4);
    assert.match(ran.stderr, /^Failed to start job\.service$/m);
    assert.match(ran.stderr, /^warning: the following units failed: job\.service$/m);
  });

  it("rule 10: the journal has a line before and after, by `nixos`", async () => {
    const before = (await journal()).length;
    await on.must(systems.one, "test");
    await on.run(systems.changedBad, "test");
    assert.deepEqual((await journal()).slice(before), [
      `switching to system configuration ${systems.one}`,
      `finished switching to system configuration ${systems.one}`,
      `switching to system configuration ${systems.changedBad}`,
      `switching to system configuration ${systems.changedBad} failed (status 4)`,
    ]);
  });

  it("no line in the journal for check, boot and dry-activate", async () => {
    const before = (await journal()).length;
    for (const action of ["check", "boot", "dry-activate"] as const) {
      await on.must(systems.one, action);
    }
    assert.equal((await journal()).length, before);
  });

  it("rule 13: dry-activate does not foresee new units, and changes nothing", async () => {
    await on.must(systems.one, "test");
    const ran = await on.must(systems.newUnit, "dry-activate");
    assert.equal(ran.stderr, "would activate the configuration...\n");
    assert.equal(await on.currentSystem(), systems.one);
    const started = names(
      "the following new units were started",
      (await on.must(systems.newUnit, "test")).stderr,
    );
    assert.deepEqual(started, ["new.service"]);
  });

  it("dry-activate writes no list", async () => {
    await on.must(systems.one, "test");
    await on.must(systems.two, "dry-activate");
    assert.equal(await on.exists("/run/nixos/start-list"), false);
  });

  it("STC_DISPLAY_ALL_UNITS=1 shows the targets that are started again", async () => {
    const env = { STC_DISPLAY_ALL_UNITS: "1" };
    const ran = await on.run(systems.one, "test", { env });
    const started = names("starting the following units", ran.stderr);
    assert.ok(started.includes("multi-user.target"));
  });

  it("rule 7: an earlier failure is erased, not reported", async () => {
    await on.host.exec(["systemd-run", "-q", "--unit=before", "/usr/bin/false"]);
    await on.shell("sleep 0.2");
    assert.equal(await on.active("before"), "failed");
    assert.equal((await on.run(systems.one, "test")).code, 0);
    assert.notEqual(await on.active("before"), "failed");
  });

  it("another system.conf restarts systemd, and says so", async () => {
    const dry = await on.must(systems.otherManager, "dry-activate");
    assert.match(dry.stderr, /^would restart systemd$/m);
    const ran = await on.must(systems.otherManager, "test");
    assert.match(ran.stderr, /^restarting systemd\.\.\.$/m);
    const again = await on.must(systems.otherManager, "test");
    assert.doesNotMatch(again.stderr, /restarting systemd/);
  });

  it("a unit that the activate script asks for is restarted", async () => {
    await on.must(systems.asks, "test");
    const pid = await on.property("app", "MainPID");
    const ran = await on.must(systems.asks, "test");
    assert.match(ran.stderr, /^WARN: restarting or reloading systemd units from the activation/m);
    assert.deepEqual(names("restarting the following units", ran.stderr), ["app.service"]);
    assert.notEqual(await on.property("app", "MainPID"), pid);
    assert.equal(await on.exists("/run/nixos/activation-restart-list"), false);
  });

  it("switch inhibitors: no live switch, but boot; NIXOS_NO_CHECK=1 overrides", async () => {
    for (const action of ["switch", "test"] as const) {
      const ran = await on.run(systems.inhibited, action);
      assert.equal(ran.code, 1, action);
      assert.match(ran.stderr, /There are changes to critical components of the system/);
    }
    assert.equal((await on.run(systems.inhibited, "boot")).code, 0);
    const env = { NIXOS_NO_CHECK: "1" };
    assert.equal((await on.run(systems.inhibited, "test", { env })).code, 0);
    assert.equal((await on.run(on.plain, "test")).code, 1, "the way back is refused too");
    assert.equal((await on.run(on.plain, "test", { env })).code, 0);
  });

  it("rule 15: a switch takes its quiet quarter of a second, and not much more", async () => {
    await on.must(systems.one, "test");
    const times: number[] = [];
    for (const toplevel of [systems.two, systems.one, systems.two]) {
      const started = Date.now();
      await on.must(toplevel, "test");
      times.push(Date.now() - started);
    }
    const fastest = Math.min(...times);
    assert.ok(fastest >= 250 && fastest < 3_000, `${times.join(", ")} ms`);
  });
});
