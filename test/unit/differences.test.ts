import assert from "node:assert/strict";
import type { PlannedUnits, SwitchedUnits, UnitChange } from "../../contract/unit-changes.ts";
import { differences, plannedUnits } from "../../providers/nixos/plan/differences.ts";

const A = "a.service";
const NOTHING: PlannedUnits = { stop: [], start: [], restart: [], reload: [] };

function switched(
  planned: Partial<PlannedUnits> | null,
  ...changed: (Pick<UnitChange, "change"> & Partial<UnitChange>)[]
): SwitchedUnits {
  return {
    ...{ began: 1, ended: 2, omitted: 0 },
    planned: planned && { ...NOTHING, ...planned },
    changed: changed.map((each) => ({ unit: A, from: 1, to: 2, state: "active", ...each })),
  };
}

describe("the plan of units against what happened", () => {
  const same: [string, SwitchedUnits][] = [
    ["nothing planned, nothing done", switched({})],
    ["restarted as planned", switched({ restart: [A] }, { change: "restarted" })],
    ["started as planned", switched({ start: [A] }, { change: "started" })],
    ["stopped as planned", switched({ stop: [A] }, { change: "stopped" })],
    ["reloaded as planned", switched({ reload: [A] }, { change: "reloaded" })],
    ["without a plan", switched(null, { change: "restarted" })],
    ["a target", switched({ start: ["x.target"] })],
    [
      "a timer has started its service meanwhile",
      switched({}, { change: "started", triggered: true }),
    ],
    ["a service that idles has ended", switched({}, { change: "stopped", triggered: true })],
    ["an instance of a session", switched({}, { unit: "user@0.service", change: "started" })],
    [
      "stopped as planned, and a connection has brought it back",
      switched({ stop: [A] }, { change: "restarted", triggered: true }),
    ],
    ["more changed than was recorded", { ...switched({}, { change: "restarted" }), omitted: 1 }],
  ];
  for (const [what, units] of same)
    it(`does not differ: ${what}`, () => assert.deepEqual(differences(units), []));

  const other: [SwitchedUnits, string][] = [
    [switched({}, { change: "restarted" }), "a.service was restarted, which was not planned"],
    [
      switched({}, { change: "restarted", triggered: true }),
      "a.service was restarted, which was not planned",
    ],
    [switched({}, { change: "started" }), "a.service was started, which was not planned"],
    [switched({ restart: [A] }), "a.service was left as it was, not restarted"],
    [switched({ restart: [A] }, { change: "reloaded" }), "a.service was reloaded, not restarted"],
    [switched({ stop: [A] }, { change: "restarted" }), "a.service was restarted, not stopped"],
    [switched({ start: [A] }, { change: "stopped" }), "a.service was stopped, not started"],
  ];
  for (const [units, sentence] of other)
    it(`says: ${sentence}`, () => assert.deepEqual(differences(units), [sentence]));

  it("names each unit once, in order", () => {
    const found = differences(
      switched(
        { restart: ["z.service"] },
        { change: "started" },
        { unit: "b.mount", change: "reloaded" },
      ),
    );
    assert.deepEqual(
      found.map((sentence) => sentence.split(" ")[0]),
      [A, "b.mount", "z.service"],
    );
  });

  it("is bounded, and a plan that was cut is compared with nothing", () => {
    const restart = Array.from({ length: 300 }, (_, index) => `u${index}.service`);
    const planned = plannedUnits({ ...NOTHING, restart, keep: [] });
    assert.equal(planned.restart.length, 200);
    assert.deepEqual(differences(switched(planned)), []);
  });
});
