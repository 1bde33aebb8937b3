import assert from "node:assert/strict";
import fc from "fast-check";
import { parseSettings } from "../../settings.ts";
import { changed, mistakesOf } from "../support/changed-settings.ts";
import { anyText } from "../support/hostile.ts";
import { settingsOf } from "../support/stack-config.ts";

const PREFLIGHT = {
  diskMarginMiB: 64,
  memoryMarginMiB: 64,
  credentials: "present",
  kernelChange: "allow",
  stateVersion: "refuse",
};

describe("settings", () => {
  it("the shipped Pulumi.grind.yaml is right, and every default is filled in", () => {
    const settings = parseSettings(settingsOf("grind"));
    assert.deepEqual(settings.activation, {
      mode: "switch",
      unitFailures: "tolerant",
      strategy: "closure",
      confirm: true,
      timeouts: { switch: 300, confirm: 60, rollback: 300 },
      preflight: PREFLIGHT,
      keep: { releases: 20, generations: 2 },
    });
    assert.deepEqual(settings.copy, { via: "built-here", timeoutSeconds: 3600 });
    assert.ok(settings.release.from === "build");
    assert.equal(settings.release.system, "x86_64-linux");
    assert.equal(settings.release.buildSeconds, 7200);
    assert.deepEqual(settings.release.hosts, ["choiros-grind", "choiros-prod"]);
  });

  it("the shipped Pulumi.prod.yaml is right, and takes the release of grind", () => {
    const settings = parseSettings(settingsOf("prod"));
    assert.deepEqual(settings.release, { from: "stack", stack: "grind", minHealthySeconds: 0 });
    assert.equal(settings.pin, undefined);
    assert.deepEqual(settings.copy, { via: "direct", to: "choiros-prod", timeoutSeconds: 3600 });
  });

  it("both stacks hold their host to the same health contract", () => {
    assert.deepEqual(settingsOf("grind")["health"], settingsOf("prod")["health"]);
  });

  it("two probes of one name are refused: their results could not be told apart", () => {
    const [first] = settingsOf("grind")["health"] as unknown[];
    assert.match(mistakesOf(changed(["health"], [first, first])).join("\n"), /^\[choiros:health/);
  });

  it("all mistakes are told at once", () => {
    const raw = changed(["host", "name"], 12);
    raw["health"] = [];
    raw["copy"] = { via: "direct", to: "-oProxyCommand=id" };
    assert.deepEqual(
      mistakesOf(raw).map((line) => line.split(" ")[0]),
      ["[choiros:host.name]", "[choiros:copy.to]", "[choiros:health]"],
    );
  });

  it("the settings are named by the project that they belong to", () => {
    assert.throws(() => parseSettings({}, "shop"), /\[shop:host\]/);
  });

  it("hostile text in any string setting is refused by name, or taken as it is", () => {
    const places: (string | number)[][] = [
      ["host", "name"],
      ["host", "connection", "host"],
      ["host", "connection", "user"],
      ["host", "connection", "identityFile"],
      ["host", "connection", "hostKey"],
      ["release", "repo"],
      ["release", "rev"],
      ["release", "system"],
      ["release", "signingKeyFile"],
      ["release", "manifestKeyFile"],
      ["release", "branch"],
      ["release", "hosts", 0],
      ["release", "components", 0],
      ["health", 0, "unit"],
      ["health", 1, "url"],
      ["health", 3, "place", 0],
      ["health", 4, "body"],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...places), anyText, (place, text) => {
        const raw = changed(place, text);
        const mistakes = mistakesOf(raw);
        if (mistakes.length > 0) {
          assert.ok(mistakes[0]?.startsWith(`[choiros:${place[0]}`), mistakes[0]);
          return;
        }
        let at: unknown = parseSettings(raw);
        for (const key of place) at = (at as Record<string | number, unknown>)[key];
        assert.equal(at, text);
      }),
    );
  });
});
