import assert from "node:assert/strict";
import fc from "fast-check";
import { mostUnavailable, planWaves } from "../../components/waves.ts";
import { type FleetSettings, fleet, membersOf } from "../../contract/fleet.ts";

function plan(given: object): string[] {
  const settings = fleet.parse(given);
  return planWaves(settings, membersOf(settings)).map(
    ({ name, hosts }) => `${name}: ${hosts.map((host) => host.name).join(" ")}`,
  );
}

const SIX = {
  a: { group: "east", tags: ["edge"] },
  b: { group: "east", role: "db" },
  c: { group: "west" },
  d: { group: "west", tags: ["edge", "big"] },
  e: { group: "west", role: "db" },
  f: {},
};

describe("the waves of a fleet", () => {
  it("are one of all hosts, where none is given", () => {
    assert.deepEqual(plan({ hosts: SIX }), ["rest: a b c d e f"]);
  });

  const tables: [string, object[], string[]][] = [
    ["a number", [{ name: "one", count: 1 }], ["one: a", "rest: b c d e f"]],
    ["a share, rounded up", [{ name: "some", percent: 20 }], ["some: a b", "rest: c d e f"]],
    [
      "names, in order of the names",
      [{ name: "x", hosts: ["f", "b"] }],
      ["x: b f", "rest: a c d e"],
    ],
    ["a tag", [{ name: "x", tags: ["edge"] }], ["x: a d", "rest: b c e f"]],
    [
      "a role in a group",
      [{ name: "x", groups: ["west"], roles: ["db"] }],
      ["x: e", "rest: a b c d f"],
    ],
    [
      "a share of a group, then the group",
      [
        { name: "x", groups: ["west"], percent: 34 },
        { name: "y", groups: ["west"] },
      ],
      ["x: c d", "y: e", "rest: a b f"],
    ],
    [
      "what an earlier one has taken: it is left out",
      [
        { name: "x", groups: ["east"] },
        { name: "y", hosts: ["a"] },
      ],
      ["x: a b", "rest: c d e f"],
    ],
  ];
  for (const [what, waves, expected] of tables)
    it(`take ${what}`, () => assert.deepEqual(plan({ hosts: SIX, waves }), expected));

  it("have every host exactly once, none is empty, and no limit is passed, whatever is given", () => {
    const word = fc.constantFrom("one", "two", "three");
    const host = fc.record(
      { group: word, role: word, tags: fc.uniqueArray(word, { minLength: 1 }) },
      { requiredKeys: [] },
    );
    const hosts = fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/), host, {
      minKeys: 1,
      maxKeys: 40,
    });
    const some = fc.uniqueArray(word, { minLength: 1 });
    const size = fc.oneof(
      fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
      fc.record({ count: fc.integer({ min: 1, max: 50 }) }),
      fc.constant({}),
    );
    const wave = fc.tuple(
      fc.record({ groups: some, tags: some, roles: some }, { requiredKeys: [] }),
      size,
    );
    fc.assert(
      fc.property(hosts, fc.array(wave, { maxLength: 6 }), (all, given) => {
        const waves = given.map(([selection, limit], index) => ({
          name: `w${index}`,
          ...selection,
          ...limit,
        }));
        const settings = {
          hosts: all,
          waves,
          roles: {},
          defaults: {},
          soakSeconds: 3,
        } as unknown as FleetSettings;
        const planned = planWaves(settings, membersOf(settings));
        const names = planned.flatMap((each) => each.hosts.map(({ name }) => name));
        assert.deepEqual([...names].sort(), Object.keys(all).sort());
        for (const { name, hosts: taken } of planned) {
          assert.ok(taken.length > 0);
          const limit = waves.find((each) => each.name === name) as
            | { count?: number; percent?: number }
            | undefined;
          const most =
            limit?.percent === undefined
              ? limit?.count
              : Math.ceil((names.length * limit.percent) / 100);
          assert.ok(taken.length <= (most ?? names.length));
        }
      }),
    );
  });
});

describe("how many hosts may be out", () => {
  it("is a number, or a share of all rounded down, and never none", () => {
    assert.equal(mostUnavailable(undefined, 10), undefined);
    assert.equal(mostUnavailable(3, 10), 3);
    assert.equal(mostUnavailable("25%", 10), 2);
    assert.equal(mostUnavailable("1%", 10), 1);
  });
});
