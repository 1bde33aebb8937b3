import assert from "node:assert/strict";
import { areMet, conditionsOf, holdsAfter } from "../../providers/nixos/plan/conditions.ts";
import { unitChanges } from "../../providers/nixos/plan/units.ts";

const A = "a.service";
const TARGET = { "multi-user.target": "[Unit]\n" };
const service = (...unit: string[]) => ({
  ...TARGET,
  [A]: `[Unit]\n${unit.join("\n")}\n[Service]\nExecStart=/a\n`,
  [`multi-user.target.wants/${A}`]: `-> ../${A}`,
});

describe("conditions of units", () => {
  it("are asked for if a path decides them, each once, and none that only systemd understands", () => {
    assert.deepEqual(
      conditionsOf({
        ...service("ConditionPathExists=|!/a", "ConditionPathExists=/a", "ConditionHost=x"),
        "b.service": "[Unit]\nConditionFileNotEmpty=! /b\nConditionPathExists=/run/%i\n",
        "b.service.d/c.conf": "[Unit]\nConditionPathExists=\nConditionPathIsReadWrite=/\n",
      }),
      ["ConditionFileNotEmpty=/b", "ConditionPathExists=/a"],
    );
  });

  const holds = holdsAfter({ unmet: ["ConditionPathExists=/no"] }, {});
  const table: [says: string, options: Record<string, string[]>, met: boolean | undefined][] = [
    ["none at all", {}, true],
    ["one that is met", { PathExists: ["/yes"] }, true],
    ["one that is not", { PathExists: ["/yes", "/no"] }, false],
    ["the contrary", { PathExists: ["!/no"] }, true],
    ["the contrary of what is so", { PathExists: ["!/yes"] }, false],
    ["one of several", { PathExists: ["|/no", "|/yes"] }, true],
    ["none of several", { PathExists: ["|/no", "|!/yes"] }, false],
    ["one of several, and one more", { PathExists: ["|/yes", "/no"] }, false],
    ["one that nobody has tried", { Host: ["x"] }, undefined],
    [
      "one that nobody has tried, and one that is not met",
      { Host: ["x"], PathExists: ["/no"] },
      false,
    ],
    [
      "one of several, of which one was not tried",
      { Host: ["|x"], PathExists: ["|/no"] },
      undefined,
    ],
    ["one that was taken back", { PathExists: [], Host: ["x"] }, undefined],
  ];
  for (const [says, options, met] of table)
    it(`${met === undefined ? "may be" : met ? "are" : "are not"} met: ${says}`, () => {
      const file = new Map(
        Object.entries(options).map(([key, values]) => [`Unit.Condition${key}`, values]),
      );
      assert.equal(holds && areMet(file, holds), met);
    });

  it("hold by what the switch makes of /etc, and not by what was there", () => {
    const then = holdsAfter(
      { unmet: ["ConditionPathExists=/etc/new/file"], etc: { old: "x" } },
      { etc: { "new/file": "y" } },
    );
    assert.equal(then?.("ConditionPathExists", "/etc/new/file"), true);
    assert.equal(then?.("ConditionPathExists", "/etc/new"), true);
    assert.equal(then?.("ConditionPathExists", "/etc/old"), false);
  });

  it("are unknown if the host was not asked", () => {
    assert.equal(holdsAfter({}, {}), undefined);
  });
});

const B = { "b.service": "[Service]\nExecStart=/b\n" };

describe("a unit with a condition", () => {
  const states = { "multi-user.target": "active" };
  const unmet = holdsAfter({ unmet: ["ConditionPathExists=/no"] }, {});

  it("is not planned to start when it is new and its condition is not met", () => {
    const after = service("ConditionPathExists=/no");
    assert.deepEqual(unitChanges(TARGET, after, states, unmet).start, []);
    assert.deepEqual(unitChanges(TARGET, after, states).start, [A]);
    assert.deepEqual(unitChanges(TARGET, service("ConditionPathExists=/y"), states, unmet).start, [
      A,
    ]);
  });

  it("is asked for what it wants all the same", () => {
    const wants = { ...service("ConditionPathExists=/no", "Wants=b.service"), ...B };
    assert.deepEqual(unitChanges(TARGET, wants, states, unmet).start, ["b.service"]);
    const lost = {
      ...service("ConditionPathExists=/no", "Wants=b.service", "Requires=c.service"),
      ...B,
    };
    assert.deepEqual(unitChanges(TARGET, lost, states, unmet).start, []);
  });

  it("stops for good when it changes and its condition is met no more", () => {
    const running = { ...states, [A]: "active" };
    const after = service("ConditionPathExists=/no");
    assert.deepEqual(unitChanges(service(), after, running, unmet).stop, [A]);
  });

  it("starts when its condition is met by now", () => {
    const tree = service("ConditionPathExists=/yes");
    const was = { ...states, [A]: "unmet" };
    assert.deepEqual(unitChanges(tree, tree, was, unmet).start, [A]);
    assert.deepEqual(unitChanges(tree, tree, was).start, []);
  });

  it("stays as it was the last time, if nobody can try the condition", () => {
    const tree = service("ConditionHost=x");
    assert.deepEqual(unitChanges(tree, tree, { ...states, [A]: "unmet" }, unmet).start, []);
    assert.deepEqual(unitChanges(tree, tree, { ...states, [A]: "inactive" }, unmet).start, [A]);
  });
});

describe("a unit that another upholds", () => {
  const states = { "multi-user.target": "active", "b.service": "active", [A]: "active" };
  const b = (upholds: string) => ({ "b.service": `[Unit]\n${upholds}\n[Service]\nExecStart=/b\n` });

  it("does not stay down when the switch stops it: it runs again, be it removed or changed", () => {
    const before = { ...service(), ...b(`Upholds=${A}`) };
    const gone = { ...TARGET, ...b(`Upholds=${A}`) };
    assert.deepEqual(unitChanges(before, gone, states).restart, [A]);
    const changed = { ...service("X-Restart-Triggers=/2"), ...b(`Upholds=${A}`) };
    assert.deepEqual(unitChanges(before, changed, states).restart, [A]);
  });

  it("starts when it comes to be upheld by what runs", () => {
    const stopped = { ...states, [A]: "inactive" };
    const loose = (upholds: string) => ({
      ...TARGET,
      [A]: "[Service]\nExecStart=/a\n",
      ...b(upholds),
    });
    assert.deepEqual(unitChanges(loose(""), loose(`Upholds=${A}`), stopped).start, [A]);
    // It was upheld before and does not run all the same: it has failed too often.
    assert.deepEqual(unitChanges(loose(`Upholds=${A}`), loose(`Upholds=${A}`), stopped).start, []);
  });
});
