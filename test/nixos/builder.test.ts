import assert from "node:assert/strict";
import { ask, refusal, unit } from "./nix.ts";

const builder = (more = "") =>
  `host [ { nixos-promote.closureBuilder = { enable = true; ${more} }; } ]`;

describe("the module closure-builder", () => {
  it("keeps builds of the daemon and of root in one slice with limits", () => {
    const [slice, daemon, job] = ask<[string, string, string]>(
      `let t = (${builder('memoryMax = "3G"; weight = 10;')}).systemd.texts;
       in [ t."nixos-builds.slice" t."nix-daemon.service" t."nixos-promote-build.service" ]`,
    );
    assert.deepEqual(unit(slice), {
      "Unit.Description": ["Builds of Nix"],
      "Slice.CPUWeight": ["10"],
      "Slice.IOWeight": ["10"],
      "Slice.MemoryHigh": ["50%"],
      "Slice.MemoryMax": ["3G"],
    });
    assert.deepEqual(unit(daemon)["Service.Slice"], ["nixos-builds.slice"]);
    assert.equal(job, "[Service]\nSlice=nixos-builds.slice\n");
  });

  it("may build, collects garbage before the disk is full, and keeps what the next build needs", () => {
    const [settings, gc] = ask<[Record<string, unknown>, boolean]>(
      `let c = ${builder("freeGiB = 2; maxJobs = 3;")}; in [ c.nix.settings c.nix.gc.automatic ]`,
    );
    assert.deepEqual(settings, {
      "max-jobs": 3,
      cores: 0,
      "min-free": 2 * 2 ** 30,
      "max-free": 8 * 2 ** 30,
      "keep-outputs": true,
      "keep-derivations": true,
    });
    assert.equal(gc, true);
  });

  it("can be a target of closures as well", () => {
    const both = `host [ { nixos-promote.closureBuilder.enable = true; nixos-promote.closureTarget = { enable = true; authorizedKeys = [ "k" ]; }; } ]`;
    assert.equal(ask<number>(`(${both}).nix.settings.max-jobs`), 1);
    ask(`whole (${both})`);
  });

  it("makes the signing key where the stack looks for it", () => {
    const [file, text] = ask<[string, string]>(
      `let c = ${builder('signingKey = "grind-7";')};
       in [ c.nixos-promote.signingKeys.grind-7.file c.systemd.texts."nixos-promote-signing-key-grind-7.service" ]`,
    );
    assert.equal(file, "/var/lib/nixos-promote/keys/grind-7.secret");
    assert.deepEqual(unit(text)["Unit.ConditionPathExists"], [`!${file}`]);
  });

  it("refuses a weight that systemd does not know", () => {
    assert.match(
      refusal(`whole (${builder("weight = 0;")})`),
      /`nixos-promote\.closureBuilder\.weight' is not of type `integer between 1 and 10000/,
    );
  });
});
