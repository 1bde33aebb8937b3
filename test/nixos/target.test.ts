import assert from "node:assert/strict";
import { ask, refusal, unit } from "./nix.ts";

const KEY = "ssh-ed25519 AAAA operator";
const target = (more: string) =>
  `host [ { nixos-promote.closureTarget = { enable = true; authorizedKeys = [ "${KEY}" ]; ${more} }; } ]`;

describe("the module closure-target", () => {
  it("trusts the keys of its builders, asks for signatures, and builds nothing", () => {
    const settings = ask<Record<string, unknown>>(
      `(${target('trustedKeys = [ "grind-1:abcd=" ];')}).nix.settings`,
    );
    assert.deepEqual(settings, {
      "trusted-public-keys": ["grind-1:abcd="],
      "require-sigs": true,
      "max-jobs": 0,
    });
  });

  it("lets root in by key, and nobody by password", () => {
    const [keys, ssh] = ask<[string[], object]>(
      `let c = ${target("")}; in [ c.users.users.root.openssh.authorizedKeys.keys c.services.openssh ]`,
    );
    assert.deepEqual(keys, [KEY]);
    assert.deepEqual(ssh, { enable: true, settings: { PasswordAuthentication: false } });
  });

  it("has the directories that a promotion needs, with their modes", () => {
    const rules = ask<string[]>(
      `(${target('linkDirectories = [ "/opt/choiros/bin" ]; builds = true; checkout = "/opt/choiros/repo";')}).systemd.tmpfiles.rules`,
    );
    assert.deepEqual(rules, [
      "d /var/lib/nixos-promote 0700 root root -",
      "d /nix/var/nix/gcroots/nixos-promote 0755 root root -",
      "d /opt/choiros/bin 0755 root root -",
      "d /opt/choiros 0755 root root -",
    ]);
  });

  it("writes the state version into the system", () => {
    const commands = ask<string>(`(${target("")}).system.extraSystemBuilderCmds`);
    assert.match(commands, /printf '%s\\n' '25\.11' > "\$out\/state-version"/);
  });

  it("brings the guard at boot, which a switch never restarts", () => {
    const guard = unit(
      ask<string>(`(${target("")}).systemd.texts."nixos-promote-boot-guard.service"`),
    );
    assert.match(
      guard["Service.ExecStart"]?.[0] ?? "",
      /^\/bin\/bash \/nix\/store\/.*boot-guard\.sh$/,
    );
    assert.deepEqual(guard["Service.X-RestartIfChanged"], ["false"]);
    const without = `host [ { nixos-promote.closureTarget = { enable = true; authorizedKeys = [ "k" ]; }; nixos-promote.bootGuard.enable = false; } ]`;
    assert.ok(
      !ask<string[]>(`lib.attrNames (${without}).systemd.texts`).includes(
        "nixos-promote-boot-guard.service",
      ),
    );
  });

  it("never restarts the agent of SSM, and has none unless it is asked to", () => {
    const agent = `systemd.texts."amazon-ssm-agent.service"`;
    const settings = unit(ask<string>(`(${target("ssm.enable = true;")}).${agent}`));
    assert.deepEqual(settings["Service.X-RestartIfChanged"], ["false"]);
    assert.deepEqual(settings["Service.X-StopIfChanged"], ["false"]);
    assert.equal(
      ask<boolean>(`(${target("ssm.enable = true;")}).services.amazon-ssm-agent.enable`),
      true,
    );
    assert.equal(ask<boolean>(`(${target("")}).services.amazon-ssm-agent.enable`), false);
  });

  it("collects garbage on a timer, unless a promotion is under way", () => {
    const [gc, service, jobs] = ask<[Record<string, unknown>, string, string]>(
      `let c = ${target("")}; in [ c.nix.gc c.systemd.texts."nix-gc.service" c.systemd.services.nix-gc.serviceConfig.ExecCondition.text ]`,
    );
    assert.equal(gc["automatic"], true);
    assert.equal(gc["options"], "--delete-older-than 14d");
    assert.match(unit(service)["Service.ExecCondition"]?.[0] ?? "", /-unless-promoting$/);
    for (const job of ["activate", "build", "pull", "push"])
      assert.match(jobs, new RegExp(`nixos-promote-${job}\\.service`));
  });

  describe("refuses", () => {
    it("a host that nobody could reach after the switch", () => {
      const closed = "host [ { nixos-promote.closureTarget.enable = true; } ]";
      assert.match(
        refusal(`whole (${closed})`),
        /Failed assertions: - nixos-promote\.closureTarget: nobody could reach this host after the switch/,
      );
      ask(
        `whole (host [ { nixos-promote.closureTarget = { enable = true; ssm.enable = true; }; } ])`,
      );
      ask(
        `whole (host [ { nixos-promote.closureTarget.enable = true; users.users.root.openssh.authorizedKeys.keys = [ "k" ]; } ])`,
      );
    });

    it("a checkout on a host that may not build", () => {
      assert.match(
        refusal(`whole (${target('checkout = "/opt/repo";')})`),
        /a host with a checkout builds its system itself\. Set builds = true/,
      );
    });

    it("a key that is none, by its type", () => {
      assert.match(
        refusal(`(${target('trustedKeys = [ "not a key" ];')}).nix.settings`),
        /option `nixos-promote\.closureTarget\.trustedKeys\..*' is not of type `string matching the pattern/,
      );
    });

    it("an option that does not exist", () => {
      assert.match(
        refusal(`whole (${target("trustedKey = [ ];")})`),
        /The option `nixos-promote\.closureTarget\.trustedKey' does not exist/,
      );
    });
  });
});
