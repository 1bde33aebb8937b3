// The order of a switch, and what each action leaves alone.
import assert from "node:assert/strict";
import { type Action, SwitchHost } from "./switch-host.ts";

describe("switch-to-configuration: order of work", function () {
  this.timeout(120_000);
  let on: SwitchHost;
  let systems: Record<"one" | "two", string>;

  before(async () => {
    on = await SwitchHost.open();
    // Every hook and every unit notes what it does; `two` changes all the units.
    const noted = (version: string) => `{ config, ... }: {
      system.preSwitchChecks.note = "echo check $2 $(basename $1) >> /var/lib/switch-test/log";
      system.build.installBootLoader = "/bin/sh \${builtins.toFile "loader" ''
        echo "boot loader $NIXOS_ACTION" >> /var/lib/switch-test/log
        echo "$1" > /boot/loader/default
      ''}";
      system.activationScripts.note = ''
        echo "activate $NIXOS_ACTION" >> /var/lib/switch-test/log
      '';
      systemd.services.stopped = service "stopped-${version}";
      systemd.services.restarted = with_ "restarted-${version}" { stopIfChanged = false; };
      systemd.services.reloaded = with_ "reloaded" {
        reloadTriggers = [ "${version}" ];
        serviceConfig.ExecReload = note "reload ${version}";
      };
    }`;
    systems = await on.build({ one: noted("one"), two: noted("two") });
  });
  beforeEach(async () => {
    await on.settle();
    await on.must(systems.one, "switch");
    await on.clearLog();
  });
  after(() => on?.close());

  it("rule 1: check, boot loader, stop, activate, reload, restart, start", async () => {
    await on.must(systems.two, "switch");
    const system = systems.two.replace("/nix/store/", "");
    assert.deepEqual(await on.log(), [
      `check switch ${system}`,
      "boot loader switch",
      "stop stopped-one",
      "activate switch",
      "reload two",
      // A restart is after the reload of definitions, so it stops with the new text.
      "stop restarted-two",
      "start restarted-two",
      "start stopped-two",
    ]);
  });

  it("rule 4: the check runs for every action, and is told the system and the action", async () => {
    const actions: Action[] = ["check", "dry-activate", "boot", "test", "switch"];
    for (const action of actions) await on.must(systems.two, action);
    const checks = (await on.log()).filter((line) => line.startsWith("check "));
    const system = systems.two.replace("/nix/store/", "");
    assert.deepEqual(
      checks,
      actions.map((action) => `check ${action} ${system}`),
    );
  });

  it("check does nothing else", async () => {
    const ran = await on.must(systems.two, "check");
    assert.equal(ran.stderr + ran.stdout, "");
    assert.equal((await on.log()).length, 1);
  });

  it("rule 5: boot moves the boot default only: no unit, no current system, no message", async () => {
    const pid = await on.property("stopped", "MainPID");
    const ran = await on.must(systems.two, "boot");
    assert.equal(ran.stderr + ran.stdout, "");
    assert.equal(await on.bootDefault(), systems.two);
    assert.equal(await on.currentSystem(), systems.one);
    assert.equal(await on.property("stopped", "MainPID"), pid);
  });

  it("rule 5: no action touches the system profile", async () => {
    const profile = "/nix/var/nix/profiles/system";
    const list = `ls -l --time-style=full-iso ${profile}* 2>&1; readlink -f ${profile}`;
    const before = (await on.shell(list)).stdout;
    for (const action of ["check", "dry-activate", "boot", "test", "switch"] as const) {
      await on.must(systems.two, action);
    }
    assert.equal((await on.shell(list)).stdout, before);
  });

  it("test moves everything but the boot default; test and boot together are a switch", async () => {
    await on.must(systems.two, "test");
    assert.equal(await on.bootDefault(), systems.one);
    assert.equal(await on.currentSystem(), systems.two);
    assert.ok((await on.log()).includes("activate test"));
    await on.must(systems.two, "boot");
    assert.equal(await on.bootDefault(), systems.two);
    assert.ok((await on.log()).includes("boot loader boot"));
  });

  it("a power cut between test and boot comes back on the old system", async () => {
    await on.must(systems.two, "test");
    await on.host.powerCut();
    await on.host.boot();
    assert.equal(await on.currentSystem(), systems.one);
    await on.host.exec(["systemctl", "is-system-running", "--wait"]);
    assert.ok((await on.log()).includes("start stopped-one"));
    assert.equal(await on.exists("/run/nixos"), false);
  });
});
