import assert from "node:assert/strict";
import { ask, refusal, unit } from "./nix.ts";

describe("the module microvm-host", () => {
  const guests = `host [ { nixos-promote.microvmHost.runners = {
      live = { package = package "runner-live"; stateDir = "/opt/choiros/vms/live"; restartIfChanged = false; };
      class = { package = package "runner-class"; autoStart = false; };
    }; } ]`;

  it("keeps every runner with the host, and starts those that it is to start", () => {
    const [sources, texts] = ask<[Record<string, string>, Record<string, string>]>(
      `let c = ${guests}; in [
         (lib.mapAttrs (_: e: "\${e.source}") (lib.filterAttrs (name: _: lib.hasPrefix "nixos-promote" name) c.environment.etc))
         c.systemd.texts ]`,
    );
    assert.match(sources["nixos-promote/runners/live"] ?? "", /-runner-live-1\.0$/);
    assert.match(sources["nixos-promote/runners/class"] ?? "", /-runner-class-1\.0$/);
    const live = unit(texts["microvm-live.service"] ?? "");
    assert.equal(
      live["Service.ExecStart"]?.[0],
      `${sources["nixos-promote/runners/live"]}/bin/microvm-run`,
    );
    assert.deepEqual(live["Service.WorkingDirectory"], ["/opt/choiros/vms/live"]);
    assert.deepEqual(live["Service.X-RestartIfChanged"], ["false"]);
    assert.ok(!("microvm-class.service" in texts));
  });

  it("is in the closure of the host: another runner is another system", () => {
    const system = (name: string) =>
      ask<string>(
        `whole (host [ { nixos-promote.microvmHost.runners.a = { package = package "${name}"; autoStart = false; }; } ])`,
      );
    assert.notEqual(system("runner-1"), system("runner-2"));
  });
});

describe("the module home-manager", () => {
  const users = `{ users.users.alice.isNormalUser = true; nixos-promote.homeManager.users.alice = { home.stateVersion = "25.11"; }; }`;

  it("makes the users' environments part of the system", () => {
    const manager = ask<Record<string, unknown>>(`(host [ homeManager ${users} ]).home-manager`);
    assert.deepEqual(manager, {
      useGlobalPkgs: true,
      useUserPackages: true,
      backupFileExtension: "before-home-manager",
      users: { alice: { home: { stateVersion: "25.11" }, programs: { git: { enable: false } } } },
    });
  });

  it("refuses to do without Home Manager's module, and a user who is none", () => {
    assert.match(
      refusal(`whole (host [ ${users} ])`),
      /needs home-manager\.nixosModules\.home-manager among the host's modules/,
    );
    const nobody = `{ nixos-promote.homeManager.users.bob = { home.stateVersion = "25.11"; }; }`;
    assert.match(
      refusal(`whole (host [ homeManager ${nobody} ])`),
      /homeManager\.users\.bob: users\.users has no such user/,
    );
    ask(`whole (host [ homeManager ${users} ])`);
  });
});
