import assert from "node:assert/strict";
import { ask, refusal, unit } from "./nix.ts";

const runner = (more = "", beside = "") =>
  `host [ { nixos-promote.githubRunner = {
     enable = true; name = "bastion"; url = "https://github.com/example/fleet"; tokenFile = "/var/lib/keys/token"; ${more}
   }; ${beside} } ]`;

describe("the module github-runner", () => {
  it("is a fresh runner for each job, in an account of its own", () => {
    const [service, user] = ask<[Record<string, unknown>, Record<string, unknown>]>(
      `let c = ${runner()}; s = c.services.github-runners.bastion;
       in [ (removeAttrs s [ "extraPackages" ]) c.users.users.github-runner ]`,
    );
    assert.deepEqual(service["extraEnvironment"], { NIX_REMOTE: "daemon" });
    assert.deepEqual(
      [service["enable"], service["ephemeral"], service["replace"], service["user"]],
      [true, true, true, "github-runner"],
    );
    assert.deepEqual([user["isSystemUser"], user["extraGroups"]], [true, []]);
  });

  it("may use the Nix daemon, without being trusted by it", () => {
    const settings = ask<Record<string, string[]>>(`(${runner()}).nix.settings`);
    assert.deepEqual(settings, { "allowed-users": ["@wheel", "github-runner"] });
  });

  it("sees neither people's files nor secrets, and cannot take the host's memory", () => {
    const overrides = ask<Record<string, unknown>>(
      `(${runner()}).services.github-runners.bastion.serviceOverrides`,
    );
    assert.deepEqual(overrides, {
      InaccessiblePaths: ["-/root", "-/home", "-/run/secrets", "-/opt"],
      MemoryMax: "40%",
      TasksMax: 2048,
      CPUWeight: 50,
    });
  });

  it("gets the key to the hosts as a credential, so that GitHub holds none", () => {
    const overrides = ask<Record<string, unknown>>(
      `(${runner('deployKeyFile = "/var/lib/keys/deploy";')}).services.github-runners.bastion.serviceOverrides`,
    );
    assert.deepEqual(overrides["LoadCredential"], ["deploy-key:/var/lib/keys/deploy"]);
  });

  it("outlives the switch that one of its jobs makes", () => {
    const settings = unit(
      ask<string>(`(${runner()}).systemd.texts."github-runner-bastion.service"`),
    );
    assert.deepEqual(settings["Service.X-RestartIfChanged"], ["false"]);
    assert.deepEqual(settings["Service.X-StopIfChanged"], ["false"]);
  });

  it("refuses to be trusted, to be in other groups, or to have its token in the store", () => {
    const cases: [string, RegExp][] = [
      [
        runner("", 'nix.settings.trusted-users = [ "github-runner" ];'),
        /github-runner is in nix\.settings\.trusted-users, which makes every workflow root/,
      ],
      [
        runner("", 'users.users.github-runner.extraGroups = [ "wheel" ];'),
        /is in other groups than its own/,
      ],
      [
        runner('deployKeyFile = "/nix/store/abc-key";'),
        /tokenFile and deployKeyFile must not be in the store/,
      ],
    ];
    for (const [expression, reason] of cases)
      assert.match(refusal(`whole (${expression})`), reason);
    ask(`whole (${runner()})`);
  });
});
