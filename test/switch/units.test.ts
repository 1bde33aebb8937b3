// What a switch does to each kind of unit: one switch over many units, then a sentence for each.
import assert from "node:assert/strict";
import { names, SwitchHost } from "./switch-host.ts";

// Every unit of the old and the new system, side by side.
const before_ = `{ ... }: {
  systemd.services = {
    u-exec = service "exec-1";
    u-restart = with_ "restart-1" { stopIfChanged = false; };
    u-keep = with_ "keep-1" { restartIfChanged = false; };
    u-reloads = with_ "reloads" {
      reloadIfChanged = true;
      serviceConfig = { ExecReload = note "reload reloads-1"; Nice = 1; };
    };
    u-trigger = with_ "trigger" { restartTriggers = [ "1" ]; };
    u-reload-trigger = with_ "reload-trigger" {
      reloadTriggers = [ "1" ];
      serviceConfig.ExecReload = note "reload reload-trigger";
    };
    u-exec-reload = with_ "exec-reload" { serviceConfig.ExecReload = note "reload er-1"; };
    u-described = with_ "described" { description = "one"; };
    u-manual = with_ "manual-1" { unitConfig.X-OnlyManualStart = true; };
    u-no-stop = with_ "no-stop-1" { unitConfig.RefuseManualStop = true; };
    u-oneshot = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "oneshot"; RemainAfterExit = true; ExecStart = note "run oneshot-1";
      };
    };
    u-oneshot-same = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "oneshot"; RemainAfterExit = true; ExecStart = note "run oneshot-same";
      };
    };
    "u-template@" = { serviceConfig.ExecStart = daemon "template-1-%i"; };
    "u-template@wanted" = { overrideStrategy = "asDropin"; wantedBy = [ "multi-user.target" ]; };
    "u-drop@" = { serviceConfig.ExecStart = daemon "drop-%i"; };
    "u-drop@x" = {
      overrideStrategy = "asDropin";
      wantedBy = [ "multi-user.target" ];
      serviceConfig.Nice = 1;
    };
    "u-gone@" = { serviceConfig.ExecStart = daemon "gone-%i"; };
    "u-gone@i" = { overrideStrategy = "asDropin"; wantedBy = [ "multi-user.target" ]; };
    u-removed = service "removed-1";
    u-refuses = with_ "refuses" { unitConfig.RefuseManualStop = true; };
    u-stays = with_ "stays-1" { unitConfig.X-StopOnRemoval = false; };
    u-masked = service "masked-1";
    u-unwanted = service "unwanted";
    u-stopped = service "stopped";
    u-loose = { serviceConfig.ExecStart = daemon "loose-1"; };
    u-timed = { serviceConfig = { Type = "oneshot"; ExecStart = note "run timed"; }; };
    u-socket = { serviceConfig.ExecStart = daemon "socket-1"; };
  };
  systemd.timers.u-timed = {
    wantedBy = [ "timers.target" ];
    timerConfig.OnCalendar = "2099-01-01";
  };
  systemd.sockets.u-socket = {
    wantedBy = [ "sockets.target" ];
    listenStreams = [ "/run/u-socket" ];
  };
  systemd.sockets.u-other = {
    wantedBy = [ "sockets.target" ];
    listenStreams = [ "/run/u-other-1" ];
    socketConfig.Service = "u-loose.service";
  };
}`;

const after_ = `{ ... }: {
  systemd.services = {
    u-exec = service "exec-2";
    u-restart = with_ "restart-2" { stopIfChanged = false; };
    u-keep = with_ "keep-2" { restartIfChanged = false; };
    u-reloads = with_ "reloads" {
      reloadIfChanged = true;
      serviceConfig = { ExecReload = note "reload reloads-2"; Nice = 2; };
    };
    u-trigger = with_ "trigger" { restartTriggers = [ "2" ]; };
    u-reload-trigger = with_ "reload-trigger" {
      reloadTriggers = [ "2" ];
      serviceConfig.ExecReload = note "reload reload-trigger";
    };
    u-exec-reload = with_ "exec-reload" { serviceConfig.ExecReload = note "reload er-2"; };
    u-described = with_ "described" { description = "two"; };
    u-manual = with_ "manual-2" { unitConfig.X-OnlyManualStart = true; };
    u-no-stop = with_ "no-stop-2" { unitConfig.RefuseManualStop = true; };
    u-oneshot = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "oneshot"; RemainAfterExit = true; ExecStart = note "run oneshot-2";
      };
    };
    u-oneshot-same = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "oneshot"; RemainAfterExit = true; ExecStart = note "run oneshot-same";
      };
    };
    "u-template@" = { serviceConfig.ExecStart = daemon "template-2-%i"; };
    "u-template@wanted" = { overrideStrategy = "asDropin"; wantedBy = [ "multi-user.target" ]; };
    "u-drop@" = { serviceConfig.ExecStart = daemon "drop-%i"; };
    "u-drop@x" = {
      overrideStrategy = "asDropin";
      wantedBy = [ "multi-user.target" ];
      serviceConfig.Nice = 2;
    };
    u-masked.serviceConfig.ExecStart = "/bin/true";
    u-unwanted = removeAttrs (service "unwanted") [ "wantedBy" ];
    u-stopped = service "stopped";
    u-loose = { serviceConfig.ExecStart = daemon "loose-2"; };
    u-new = service "new";
    u-new-loose = { serviceConfig.ExecStart = daemon "new-loose"; };
    u-timed = { serviceConfig = { Type = "oneshot"; ExecStart = note "run timed"; }; };
    u-socket = { serviceConfig.ExecStart = daemon "socket-2"; };
  };
  systemd.timers.u-timed = {
    wantedBy = [ "timers.target" ];
    timerConfig.OnCalendar = "2099-02-02";
  };
  systemd.sockets.u-socket = {
    wantedBy = [ "sockets.target" ];
    listenStreams = [ "/run/u-socket" ];
  };
  systemd.sockets.u-other = {
    wantedBy = [ "sockets.target" ];
    listenStreams = [ "/run/u-other-2" ];
    socketConfig.Service = "u-loose.service";
  };
  systemd.services.u-masked.enable = false;
}`;

const stopping = [
  "u-drop@x.service",
  "u-exec.service",
  "u-gone@i.service",
  "u-masked.service",
  "u-oneshot.service",
  "u-refuses.service",
  "u-removed.service",
  "u-socket.service",
  "u-socket.socket",
  "u-template@hand.service",
  "u-template@wanted.service",
  "u-trigger.service",
];
const starting = [
  "u-drop@x.service",
  "u-exec.service",
  "u-oneshot.service",
  "u-socket.socket",
  "u-template@hand.service",
  "u-template@wanted.service",
  "u-trigger.service",
];
const skipped = ["u-keep.service", "u-manual.service", "u-no-stop.service"];
const reloading = ["u-exec-reload.service", "u-reload-trigger.service", "u-reloads.service"];
const restarting = ["u-restart.service", "u-timed.timer"];

describe("switch-to-configuration: units", function () {
  this.timeout(120_000);
  let on: SwitchHost;
  let dry = "";
  let stderr = "";
  let log: string[] = [];
  let pidsBefore = new Map<string, string>();
  const kept = ["u-keep", "u-reloads", "u-reload-trigger", "u-exec-reload", "u-described"];
  const alsoKept = ["u-manual", "u-no-stop", "u-drop@hand", "u-stays", "u-unwanted"];

  before(async () => {
    on = await SwitchHost.open();
    const systems = await on.build({ one: before_, two: after_ });
    await on.must(systems.one, "switch");
    await on.host.must(["systemctl", "start", "u-manual", "u-template@hand", "u-drop@hand"]);
    // A connection starts the service of the socket; then it is the service that changes.
    await on.host.must(["systemctl", "start", "u-socket.service"]);
    await on.host.must(["systemctl", "stop", "u-stopped", "u-loose"]);
    for (const unit of [...kept, ...alsoKept]) {
      pidsBefore = pidsBefore.set(unit, await on.property(unit, "MainPID"));
    }
    dry = (await on.must(systems.two, "dry-activate")).stderr;
    await on.clearLog();
    stderr = (await on.must(systems.two, "switch")).stderr;
    log = await on.log();
  });
  after(() => on?.close());

  const noted = (text: string) => log.filter((line) => line.endsWith(text));

  it("the lists name exactly the units that the change concerns", () => {
    assert.deepEqual(names("stopping the following units", stderr), stopping);
    const not = names("NOT restarting the following changed units", stderr);
    assert.deepEqual(not, skipped);
    assert.deepEqual(names("reloading the following units", stderr), reloading);
    assert.deepEqual(names("restarting the following units", stderr), restarting);
    assert.deepEqual(names("starting the following units", stderr), starting);
  });

  it("rule 13: dry-activate said the same before, but for new units", () => {
    assert.deepEqual(names("would stop the following units", dry), stopping);
    assert.deepEqual(names("would NOT stop the following changed units", dry), skipped);
    assert.deepEqual(names("would reload the following units", dry), reloading);
    assert.deepEqual(names("would restart the following units", dry), restarting);
    assert.deepEqual(names("would start the following units", dry), starting);
    assert.doesNotMatch(dry, /u-new/);
  });

  it("units that keep their process", async () => {
    for (const unit of [...kept, ...alsoKept]) {
      const pid = await on.property(unit, "MainPID");
      assert.equal(pid, pidsBefore.get(unit), unit);
      assert.notEqual(pid, "0", unit);
    }
  });

  it("a changed service is stopped with its old text and started with its new", () => {
    assert.deepEqual(noted("exec-1").concat(noted("exec-2")), ["stop exec-1", "start exec-2"]);
  });

  it("stopIfChanged=false stops with the new text", () => {
    assert.deepEqual(noted("restart-1").concat(noted("restart-2")), [
      "stop restart-2",
      "start restart-2",
    ]);
  });

  it("reloads run the new ExecReload", () => {
    assert.ok(log.includes("reload reloads-2"));
    assert.ok(log.includes("reload reload-trigger"));
    assert.ok(log.includes("reload er-2"));
  });

  it("a changed oneshot runs again, an unchanged one does not", () => {
    assert.deepEqual(noted("oneshot-2"), ["run oneshot-2"]);
    assert.deepEqual(noted("oneshot-same"), []);
  });

  it("a changed template restarts its instances, wanted or started by hand", () => {
    assert.deepEqual(noted("template-2-wanted"), ["start template-2-wanted"]);
    assert.deepEqual(noted("template-2-hand"), ["start template-2-hand"]);
  });

  it("an instance's drop-in concerns that instance only", () => {
    assert.deepEqual(noted("drop-x"), ["start drop-x"]);
    assert.deepEqual(noted("drop-hand"), []);
  });

  it("removed, masked and template-less units are stopped; X-StopOnRemoval=false is not", async () => {
    assert.ok(log.includes("stop removed-1"));
    assert.ok(log.includes("stop masked-1"));
    for (const unit of ["u-removed", "u-masked", "u-gone@i"]) {
      assert.equal(await on.active(unit), "inactive", unit);
    }
    assert.equal(await on.active("u-stays"), "active");
    assert.equal(await on.property("u-stays", "LoadState"), "not-found");
    assert.equal(await on.property("u-masked", "LoadState"), "masked");
  });

  it("removed with RefuseManualStop is listed as stopped, but runs on; still 0", async () => {
    assert.equal(await on.active("u-refuses"), "active");
  });

  it("new and wanted is started and named; new and not wanted is not", async () => {
    const started = names("the following new units were started", stderr);
    assert.ok(started.includes("u-new.service"));
    assert.equal(await on.active("u-new"), "active");
    assert.equal(await on.active("u-new-loose"), "inactive");
  });

  it("rule 7: a wanted unit that was stopped by hand comes back; others stay stopped", async () => {
    assert.ok(names("the following new units were started", stderr).includes("u-stopped.service"));
    assert.equal(await on.active("u-stopped"), "active");
    assert.equal(await on.active("u-loose"), "inactive");
  });

  it("a unit that nothing wants any more goes on", async () => {
    assert.equal(await on.active("u-unwanted"), "active");
  });

  it("a timer gets its new time, its service does not run", async () => {
    assert.match(await on.property("u-timed.timer", "TimersCalendar"), /2099-02-02/);
    assert.deepEqual(noted("timed"), []);
  });

  it("a service behind an active socket waits for a connection", async () => {
    assert.equal(await on.active("u-socket.service"), "inactive");
    assert.equal(await on.active("u-socket.socket"), "active");
  });

  it("a socket whose text alone changed keeps its old path (a gap of the real program)", async () => {
    assert.equal(await on.exists("/run/u-other-1"), true);
    assert.equal(await on.exists("/run/u-other-2"), false);
  });
});
