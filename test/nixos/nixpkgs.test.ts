// The real thing: every host of the examples, and what they leave out, evaluated by nixpkgs itself, options and all.
import assert from "node:assert/strict";
import { skip } from "../run/skip.ts";
import { ask } from "./nix.ts";

const DISKS = `fileSystems."/" = { device = "/dev/sda1"; fsType = "ext4"; }; boot.loader.grub.device = "/dev/sda"; system.stateVersion = "24.05";`;

describe("nixpkgs itself", function () {
  this.timeout(600_000);

  before("a directory with nixpkgs", function () {
    if (!process.env["NIXPKGS"])
      skip(this, "needs nixpkgs: NIXPKGS=DIRECTORY in the environment (and impure evaluation)");
  });

  for (const host of ["twoHosts.choiros-grind", "twoHosts.choiros-prod"])
    it(`evaluates ${host}, with its containers`, () => evaluates(`${host}.config`));

  for (const host of ["attic", "bastion", "desk", "media"])
    it(`evaluates fleet.${host}`, () => evaluates(`fleet.${host}`));

  it("evaluates what no example has: harmonia, virtual machines, files as secrets, a checkout, links", () =>
    evaluates(`host [ { ${DISKS}
      nixos-promote.cacheServer = { enable = true; domain = "cache.example.com"; implementation = "harmonia"; internalTls = true; };
      nixos-promote.cacheClient = { enable = true; netrcFile = "/var/lib/netrc"; };
      nixos-promote.microvmHost.runners.a = { package = package "runner"; stateDir = "/var/lib/vms/a"; };
      nixos-promote.closureTarget = { enable = true; builds = true; checkout = "/opt/checkout"; linkDirectories = [ "/opt/bin" ]; ssm.enable = true; };
      choiros.hypervisor = { enable = true; package = package "hypervisor"; };
      choiros.caddy = { enable = true; domain = "os.example.com"; tls = false; };
      choiros.secrets.services.hypervisor = { credentials.key = "/var/lib/key"; environmentFiles = [ "-/run/more.env" ]; };
    } ]`));

  it("makes of the settings of Nix what the modules say, beside its own", () => {
    const settings = ask<Record<string, unknown>>(
      "{ inherit (fleet.desk.nix.settings) substituters trusted-public-keys max-jobs require-sigs; }",
    );
    assert.deepEqual(settings["substituters"], [
      "https://cache.fleet.example.com?priority=10",
      "https://fleet.cachix.org?priority=20",
      "https://cache.nixos.org/",
    ]);
    assert.equal((settings["trusted-public-keys"] as string[]).length, 4);
    assert.deepEqual([settings["max-jobs"], settings["require-sigs"]], [0, true]);
  });

  it("restarts neither runner nor agent in a switch", () => {
    const units = ask<unknown>(
      `[ fleet.bastion.systemd.services.github-runner-bastion.restartIfChanged
         fleet.bastion.systemd.services.github-runner-bastion.serviceConfig.MemoryMax
         prod.systemd.services.amazon-ssm-agent.restartIfChanged ]`,
    );
    assert.deepEqual(units, [false, "40%", false]);
  });

  function evaluates(config: string): void {
    assert.match(ask<string>(`whole (${config})`), /^\/nix\/store\/.*-nixos-system-.*\.drv$/);
  }
});
