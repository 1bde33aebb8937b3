import assert from "node:assert/strict";
import { parseFleetSettings } from "../../fleet-settings.ts";

const GIVEN = {
  fleet: { hosts: { "web-1": { tags: ["edge"] }, "web-2": { role: "web" } } },
  release: { from: "stack", stack: "grind" },
  copy: { via: "direct" },
  health: [{ name: "web", kind: "unit", unit: "caddy.service" }],
};

function mistakes(change: object): string[] {
  try {
    parseFleetSettings({ ...GIVEN, ...change });
    return [];
  } catch (error) {
    return (error as Error).message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
}

const fleet = (change: object) => ({ fleet: { ...GIVEN.fleet, ...change } });

describe("the settings of a fleet", () => {
  it("need no more than hosts by name, a release, a way to copy and a health contract", () => {
    const { fleet: given, copy } = parseFleetSettings(GIVEN);
    assert.equal(given.onFailure, "stop");
    assert.equal(given.maxInFlight, 10);
    assert.deepEqual(copy, { via: "direct", timeoutSeconds: 3600, maxInFlight: 4 });
  });

  it("build what the hosts run, each once", () => {
    const release = {
      from: "build",
      builder: { kind: "ssh", host: "grind" },
      repo: "/srv/flake",
      rev: "main",
    };
    const roles = { web: { configuration: "web" } };
    const settings = parseFleetSettings({ ...GIVEN, ...fleet({ roles }), release });
    assert.deepEqual("hosts" in settings.release && settings.release.hosts, ["web", "web-1"]);
  });

  const tables: [string, object, RegExp][] = [
    ["no host", { fleet: { hosts: {} } }, /^\[choiros:fleet\.hosts\] must name at least one host$/],
    [
      "a share of nothing",
      fleet({ waves: [{ name: "a" }, { name: "b", percent: 0 }] }),
      /^\[choiros:fleet\.waves\[1\]\.percent\] must be more than 0$/,
    ],
    [
      "more than all",
      fleet({ waves: [{ name: "a", percent: 101 }] }),
      /^\[choiros:fleet\.waves\[0\]\.percent\] must be at most 100$/,
    ],
    [
      "a share and a number",
      fleet({ waves: [{ name: "a", percent: 1, count: 1 }] }),
      /^\[choiros:fleet\.waves\[0\]\.count\] must not be given beside percent$/,
    ],
    [
      "a wave twice",
      fleet({ waves: [{ name: "a" }, { name: "a" }] }),
      /^\[choiros:fleet\.waves\[1\]\.name\] must be a name of its own$/,
    ],
    [
      "a wave called rest",
      fleet({ waves: [{ name: "rest" }] }),
      /^\[choiros:fleet\.waves\[0\]\.name\] must not be rest/,
    ],
    [
      "a host that is not there",
      fleet({ waves: [{ name: "a", hosts: ["web-1", "web-9"] }] }),
      /^\[choiros:fleet\.waves\[0\]\.hosts\[1\]\] no host of \[fleet\.hosts\] is so$/,
    ],
    [
      "a tag that no host has",
      { only: { tags: ["egde"] } },
      /^\[choiros:only\.tags\[0\]\] no host of \[fleet\.hosts\] is so$/,
    ],
    [
      "nothing to choose by",
      { only: {} },
      /^\[choiros:only\] must give hosts, tags, groups or roles$/,
    ],
    [
      "a share of a hundred and more",
      fleet({ maxUnavailable: "120%" }),
      /^\[choiros:fleet\.maxUnavailable\] must be a number of hosts, or a share of all such as 25%$/,
    ],
    ["another policy", fleet({ onFailure: "ignore" }), /^\[choiros:fleet\.onFailure\] /],
    [
      "a role without settings",
      fleet({ roles: { db: {} } }),
      /^\[choiros:fleet\.hosts\.web-2\.role\] must be one of \[fleet\.roles\]: there is no web$/,
    ],
    [
      "a fallback without a machine",
      fleet({ hosts: { a: { fallback: { kind: "local" } } } }),
      /^\[choiros:fleet\.hosts\.a\.machineId\] must be given/,
    ],
    [
      "a host that the builder cannot name",
      fleet({ hosts: { a: { connection: { kind: "local" } } } }),
      /^\[choiros:fleet\.hosts\.a\.address\] must be given/,
    ],
    [
      "hooks, which no wave waits for",
      { hooks: { before: [] } },
      /^\[choiros:hooks\] There is no setting/,
    ],
  ];
  for (const [what, change, expected] of tables)
    it(`refuse ${what}`, () => {
      const said = mistakes(change);
      assert.equal(said.length, 1, said.join("\n"));
      assert.match(said[0] ?? "", expected);
    });
});
