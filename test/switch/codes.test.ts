// Exit codes: what each number means, and what it leaves behind.
import assert from "node:assert/strict";
import { names, SwitchHost } from "./switch-host.ts";

describe("switch-to-configuration: exit codes", function () {
  this.timeout(120_000);
  let on: SwitchHost;
  let systems: Record<
    | "good"
    | "noSysinit"
    | "badUnit"
    | "badActivate"
    | "both"
    | "badCheck"
    | "badLoader"
    | "newInit"
    | "late",
    string
  >;

  before(async () => {
    on = await SwitchHost.open();
    const fails = `{
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/usr/bin/false";
      serviceConfig.Type = "oneshot";
    }`;
    systems = await on.build({
      good: `{ systemd.services.app = service "one"; }`,
      noSysinit: `{
        systemd.links."sysinit-reactivation.target" = nixos.lib.mkForce "/nowhere";
      }`,
      badUnit: `{ systemd.services.bad = ${fails}; }`,
      badActivate: `{ system.activationScripts.bad = "false"; }`,
      both: `{ system.activationScripts.bad = "false"; systemd.services.bad = ${fails}; }`,
      badCheck: `{ system.preSwitchChecks.bad = "false"; systemd.services.app = service "two"; }`,
      badLoader: `{
        system.build.installBootLoader = "/usr/bin/false";
        systemd.services.app = service "two";
      }`,
      newInit: `{ boot.initInterfaceVersion = 3; systemd.services.app = service "two"; }`,
      late: `{
        systemd.services.late = {
          wantedBy = [ "multi-user.target" ];
          serviceConfig.ExecStart = "/bin/sh -c 'sleep 2; exit 3'";
        };
      }`,
    });
  });
  beforeEach(() => on.settle());
  after(() => on?.close());

  it("0: a switch that worked, and the same one again", async () => {
    for (const turn of ["first", "second"]) {
      assert.equal((await on.run(systems.good, "test")).code, 0, turn);
    }
    assert.equal(await on.active("app"), "active");
  });

  it("1: an unknown action and no action, with the usage", async () => {
    const program = `${systems.good}/bin/switch-to-configuration`;
    for (const argv of [[program], [program, "swtich"]]) {
      const ran = await on.host.exec(argv);
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /^Usage: switch-to-configuration \[check\|switch\|boot\|test\|/);
    }
  });

  it("1: not root, with the reason", async () => {
    const argv = [
      "setpriv",
      "--reuid=65534",
      `${systems.good}/bin/switch-to-configuration`,
      "test",
    ];
    const ran = await on.host.exec(argv);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /^Error: switch-to-configuration must be run as the root user/);
  });

  it("1: a variable of the wrapper is missing", async () => {
    const program = `p=$(sed -n 's/.*exec .* -B \\(.*\\) "$@"/\\1/p' "$1") && python3 -ISB "$p" test`;
    const ran = await on.shell(program, `${systems.good}/bin/switch-to-configuration`);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /^Error: missing required environment variable \$OUT\n\nCaused by:\n/);
  });

  it("1: the check before the switch fails, for every action; nothing else is done", async () => {
    await on.must(systems.good, "switch");
    await on.clearLog();
    for (const action of ["switch", "test", "boot", "check", "dry-activate"] as const) {
      const ran = await on.run(systems.badCheck, action);
      assert.equal(ran.code, 1, action);
      assert.match(ran.stderr, /Pre-switch checks failed\n$/);
    }
    assert.deepEqual(await on.log(), []);
    assert.equal(await on.currentSystem(), systems.good);
    assert.equal(await on.bootDefault(), systems.good);
    const env = { NIXOS_NO_CHECK: "1" };
    assert.equal((await on.run(systems.badCheck, "test", { env })).code, 0, "without the check");
  });

  it("1: the boot loader fails: switch stops before it activates anything", async () => {
    await on.must(systems.good, "test");
    for (const action of ["switch", "boot"] as const) {
      const ran = await on.run(systems.badLoader, action);
      assert.equal(ran.code, 1, action);
      assert.match(ran.stderr, /^Failed to install bootloader\n$/m);
    }
    assert.equal(await on.currentSystem(), systems.good);
    assert.equal((await on.run(systems.badLoader, "test")).code, 0, "test needs no boot loader");
  });

  it("rule 6: 2, the activate script fails: current-system is new, nothing is rolled back", async () => {
    const ran = await on.run(systems.badActivate, "test");
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /^Failed to run activate script$/m);
    assert.equal(await on.currentSystem(), systems.badActivate);
  });

  it("2: also when the host is not NixOS", async () => {
    await on.host.must(["mv", "/etc/NIXOS", "/etc/NIXOS.away"]);
    try {
      const ran = await on.run(systems.good, "test");
      assert.equal(ran.code, 2);
      assert.match(ran.stderr, /^This is not a NixOS installation!$/m);
    } finally {
      await on.host.must(["mv", "/etc/NIXOS.away", "/etc/NIXOS"]);
    }
  });

  it("rule 6: 4, a unit fails: current-system is new; the same system again is 4 again", async () => {
    for (const turn of ["first", "second"]) {
      const ran = await on.run(systems.badUnit, "test");
      assert.equal(ran.code, 4, turn);
      assert.deepEqual(names("warning: the following units failed", ran.stderr), ["bad.service"]);
      assert.equal(await on.currentSystem(), systems.badUnit);
    }
  });

  it("4: also when the toplevel has no sysinit-reactivation.target; no unit is failed", async () => {
    const ran = await on.run(systems.noSysinit, "test");
    assert.equal(ran.code, 4);
    const why = "Failed to restart sysinit-reactivation.target: ";
    assert.ok(ran.stderr.includes(`${why}Unit sysinit-reactivation.target not found.\n`));
    assert.doesNotMatch(ran.stderr, /the following units failed/);
  });

  it("rule 2: 4 masks 2; one line is the only trace of the activate script", async () => {
    const ran = await on.run(systems.both, "test");
    assert.equal(ran.code, 4);
    assert.match(ran.stderr, /^Failed to run activate script$/m);
  });

  it("rule 3: 11 at once for every action while the lock is held", async () => {
    const lock = "/run/nixos/switch-to-configuration.lock";
    await on.shell(`flock -n ${lock} sleep 30 >/dev/null 2>&1 & echo $! > /run/holder; sleep 0.2`);
    try {
      for (const action of ["check", "boot", "test", "switch", "dry-activate"] as const) {
        const started = Date.now();
        const ran = await on.run(systems.good, action);
        assert.equal(ran.code, 11, action);
        assert.equal(ran.stderr, "Could not acquire lock\n");
        assert.ok(Date.now() - started < 1000, "it did not wait");
      }
    } finally {
      await on.shell(`read -r p < /run/holder; kill $(ps -o pid= --ppid $p) $p; sleep 0.1`);
    }
    assert.equal(await on.currentSystem(), on.plain);
  });

  it("rule 12: 100, another init interface; switch has moved the boot default by then", async () => {
    for (const action of ["test", "dry-activate"] as const) {
      const ran = await on.run(systems.newInit, action);
      assert.equal(ran.code, 100, action);
      assert.match(ran.stderr, /^Warning: the new NixOS configuration has an ‘init’ that is\n/);
      assert.equal(await on.bootDefault(), on.plain);
    }
    assert.equal((await on.run(systems.newInit, "switch")).code, 100);
    assert.equal(await on.bootDefault(), systems.newInit);
    assert.equal(await on.currentSystem(), on.plain);
    await on.must(on.plain, "boot");
    assert.equal((await on.run(systems.newInit, "boot")).code, 0);
    assert.equal(await on.bootDefault(), systems.newInit);
  });

  it("the real program can take the stand-in's place: /etc/lab/switch-to-configuration", async () => {
    const real = "/etc/lab/switch-to-configuration";
    await on.shell(`mkdir -p /etc/lab; printf '#!/bin/sh\necho "$TOPLEVEL $1"; exit 42\n' > ${real}
      chmod +x ${real}`);
    try {
      const ran = await on.run(systems.good, "check");
      assert.deepEqual([ran.code, ran.stdout], [42, `${systems.good} check\n`]);
    } finally {
      await on.host.must(["rm", real]);
    }
  });

  it("rule 8: a unit that dies two seconds after its start is not seen: 0", async () => {
    const ran = await on.run(systems.late, "test");
    assert.equal(ran.code, 0);
    assert.ok(names("the following new units were started", ran.stderr).includes("late.service"));
    await on.shell("sleep 2.5");
    assert.equal(await on.active("late"), "failed");
  });
});
