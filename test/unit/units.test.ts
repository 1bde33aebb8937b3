import assert from "node:assert/strict";
import {
  type ActiveUnits,
  type UnitChanges,
  type UnitTree,
  unitChanges,
} from "../../providers/nixos/plan/units.ts";

const NONE: UnitChanges = { stop: [], start: [], restart: [], reload: [], keep: [] };
const WANTED = "multi-user.target.wants";

/** A wanted service; options of [Unit] and [Service] by key. */
function service(
  name: string,
  service_: Record<string, string>,
  unit: Record<string, string> = {},
): UnitTree {
  return { ...loose(name, service_, unit), [`${WANTED}/${name}`]: `-> ../${name}` };
}

function loose(
  name: string,
  service_: Record<string, string>,
  unit: Record<string, string> = {},
): UnitTree {
  return { [name]: `[Unit]\n${lines(unit)}\n[Service]\n${lines(service_)}` };
}

function lines(options: Record<string, string>): string {
  return Object.entries(options)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}

const A = "a.service";
const one = { ExecStart: "/one" };
const two = { ExecStart: "/two" };
const NICE_1 = "[Service]\nNice=1\n";
const NICE_2 = "[Service]\nNice=2\n";

/** The target that wants what is wanted is there, and active. */
const TARGET: UnitTree = { "multi-user.target": "[Unit]\nDescription=Multi-User System\n" };

function changes({ before, after, active }: Case): UnitChanges {
  const states = active && { "multi-user.target": "active", ...active };
  return unitChanges({ ...TARGET, ...before }, { ...TARGET, ...after }, states);
}

interface Case {
  readonly what: string;
  readonly before: UnitTree;
  readonly after: UnitTree;
  readonly active?: ActiveUnits;
  readonly expected: Partial<UnitChanges>;
}

// The rows of what switch-to-configuration was observed to do, in order.
const observed: Case[] = [
  {
    what: "a changed ExecStart restarts",
    before: service(A, one),
    after: service(A, two),
    expected: { restart: [A] },
  },
  {
    what: "X-StopIfChanged=false restarts",
    before: service(A, { ...one, "X-StopIfChanged": "false" }),
    after: service(A, { ...two, "X-StopIfChanged": "false" }),
    expected: { restart: [A] },
  },
  {
    what: "X-RestartIfChanged=false keeps the old process",
    before: service(A, { ...one, "X-RestartIfChanged": "false" }),
    after: service(A, { ...two, "X-RestartIfChanged": "false" }),
    expected: { keep: [A] },
  },
  {
    what: "X-ReloadIfChanged=true reloads",
    before: service(A, { ...one, "X-ReloadIfChanged": "true", ExecReload: "/r" }),
    after: service(A, { ...two, "X-ReloadIfChanged": "true", ExecReload: "/r" }),
    expected: { reload: [A] },
  },
  {
    what: "X-Restart-Triggers alone restart",
    before: service(A, one, { "X-Restart-Triggers": "/1" }),
    after: service(A, one, { "X-Restart-Triggers": "/2" }),
    expected: { restart: [A] },
  },
  {
    what: "X-Reload-Triggers alone reload",
    before: service(A, { ...one, ExecReload: "/r" }, { "X-Reload-Triggers": "/1" }),
    after: service(A, { ...one, ExecReload: "/r" }, { "X-Reload-Triggers": "/2" }),
    expected: { reload: [A] },
  },
  {
    what: "ExecReload alone reloads",
    before: service(A, { ...one, ExecReload: "/r1" }),
    after: service(A, { ...one, ExecReload: "/r2" }),
    expected: { reload: [A] },
  },
  {
    what: "a description alone does nothing",
    before: service(A, one, { Description: "one" }),
    after: service(A, one, { Description: "two" }),
    expected: {},
  },
  ...["X-OnlyManualStart", "RefuseManualStop"].map((option) => ({
    what: `${option} keeps the old process`,
    before: service(A, one, { [option]: "true" }),
    after: service(A, two, { [option]: "true" }),
    expected: { keep: [A] },
  })),
  {
    what: "a changed drop-in restarts",
    before: { ...service(A, one), [`${A}.d/overrides.conf`]: "[Service]\nNice=1\n" },
    after: { ...service(A, one), [`${A}.d/overrides.conf`]: "[Service]\nNice=2\n" },
    expected: { restart: [A] },
  },
  {
    what: "a changed oneshot with RemainAfterExit runs again",
    before: service(A, { ...one, Type: "oneshot", RemainAfterExit: "true" }),
    after: service(A, { ...two, Type: "oneshot", RemainAfterExit: "true" }),
    expected: { restart: [A] },
  },
  {
    what: "a changed template restarts the wanted instance and the one that was started by hand",
    before: { ...loose("c@.service", one), [`${WANTED}/c@a.service`]: "-> ../c@.service" },
    after: { ...loose("c@.service", two), [`${WANTED}/c@a.service`]: "-> ../c@.service" },
    active: { "c@a.service": "active", "c@hand.service": "active" },
    expected: { restart: ["c@a.service", "c@hand.service"] },
  },
  {
    what: "a changed drop-in of an instance restarts that instance only",
    before: { ...loose("c@.service", one), "c@x.service.d/overrides.conf": "[Service]\nNice=1\n" },
    after: { ...loose("c@.service", one), "c@x.service.d/overrides.conf": "[Service]\nNice=2\n" },
    active: { "c@x.service": "active", "c@hand.service": "active" },
    expected: { restart: ["c@x.service"] },
  },
  {
    what: "a removed template stops its instances",
    before: { ...loose("c@.service", one), [`${WANTED}/c@a.service`]: "-> ../c@.service" },
    after: {},
    expected: { stop: ["c@a.service"] },
  },
  { what: "a removed unit stops", before: service(A, one), after: {}, expected: { stop: [A] } },
  {
    what: "a removed unit with X-StopOnRemoval=false runs on",
    before: service(A, one, { "X-StopOnRemoval": "false" }),
    after: {},
    expected: {},
  },
  {
    what: "a masked unit stops",
    before: service(A, one),
    after: { [A]: "-> /dev/null" },
    expected: { stop: [A] },
  },
  {
    what: "a removed unit with RefuseManualStop runs on, though the switch lists it as stopping",
    before: service(A, one, { RefuseManualStop: "true" }),
    after: {},
    expected: { keep: [A] },
  },
  {
    what: "a new unit that a target wants starts",
    before: {},
    after: service(A, one),
    expected: { start: [A] },
  },
  {
    what: "a new unit that nothing wants does not start",
    before: {},
    after: loose(A, one),
    expected: {},
  },
  {
    what: "a unit that a target no longer wants runs on",
    before: service(A, one),
    after: loose(A, one),
    expected: {},
  },
  {
    what: "a unit that a target wants now, and did not before, starts",
    before: loose(A, one),
    after: service(A, one),
    active: { [A]: "inactive" },
    expected: { start: [A] },
  },
  {
    what: "a wanted unit that was stopped by hand comes back, unchanged",
    before: service(A, one),
    after: service(A, one),
    active: { [A]: "inactive" },
    expected: { start: [A] },
  },
  {
    what: "a wanted unit that was stopped by hand comes back, changed",
    before: service(A, one),
    after: service(A, two),
    active: { [A]: "inactive" },
    expected: { start: [A] },
  },
  {
    what: "a changed unit that nothing wants and that was stopped by hand stays stopped",
    before: loose(A, one),
    after: loose(A, two),
    active: { [A]: "inactive" },
    expected: {},
  },
  {
    what: "a changed timer restarts, its service does not run",
    before: { "t.timer": "[Timer]\nOnCalendar=2099-01-01\n", ...loose("t.service", one) },
    after: { "t.timer": "[Timer]\nOnCalendar=2099-02-02\n", ...loose("t.service", one) },
    expected: { restart: ["t.timer"] },
  },
  {
    what: "a changed service behind a socket stops until somebody connects, and its socket is opened again",
    before: { ...loose(A, one), "a.socket": "[Socket]\nListenStream=/run/a\n" },
    after: { ...loose(A, two), "a.socket": "[Socket]\nListenStream=/run/a\n" },
    active: { [A]: "active", "a.socket": "active" },
    expected: { stop: [A], restart: ["a.socket"] },
  },
  {
    what: "a socket whose text alone changes keeps its old path",
    before: { ...loose(A, one), "a.socket": "[Socket]\nListenStream=/run/1\n" },
    after: { ...loose(A, one), "a.socket": "[Socket]\nListenStream=/run/2\n" },
    expected: {},
  },
  {
    what: "a changed target is in no list, also with X-StopOnReconfiguration",
    before: { "x.target": "[Unit]\nX-StopOnReconfiguration=true\nAfter=a\n" },
    after: { "x.target": "[Unit]\nX-StopOnReconfiguration=true\nAfter=b\n" },
    expected: {},
  },
];

// What the comparison of switch-to-configuration does with details of the text.
const details: Case[] = [
  ...[
    "OnFailure",
    "Documentation",
    "CollectMode",
    "RefuseManualStart",
    "SourcePath",
    "AllowIsolate",
  ].map((option) => ({
    what: `${option} alone does nothing`,
    before: service(A, one, { [option]: "no" }),
    after: service(A, one, { [option]: "yes" }),
    expected: {},
  })),
  {
    what: "a reload trigger beside a real change restarts",
    before: service(A, one, { "X-Reload-Triggers": "/1" }),
    after: service(A, two, { "X-Reload-Triggers": "/2" }),
    expected: { restart: [A] },
  },
  {
    what: "an ExecReload that goes away does nothing",
    before: service(A, { ...one, ExecReload: "/r" }),
    after: service(A, one),
    expected: {},
  },
  {
    what: "a new X-RestartIfChanged=false is a change that it itself keeps from restarting",
    before: service(A, one),
    after: service(A, { ...one, "X-RestartIfChanged": "false" }),
    expected: { keep: [A] },
  },
  {
    what: "the [Install] section does nothing",
    before: { [A]: "[Service]\nExecStart=/one\n" },
    after: { [A]: "[Service]\nExecStart=/one\n[Install]\nWantedBy=x.target\n" },
    expected: {},
  },
  {
    what: "comments, empty lines and spaces do nothing",
    before: { [A]: "[Service]\nExecStart=/one\n" },
    after: { [A]: "# by hand\n\n[Service]\n; so\nExecStart = /one  \n" },
    expected: {},
  },
  {
    what: "a drop-in that clears ExecStart hides the change below it",
    before: { ...service(A, one), [`${A}.d/o.conf`]: "[Service]\nExecStart=\nExecStart=/mine\n" },
    after: { ...service(A, two), [`${A}.d/o.conf`]: "[Service]\nExecStart=\nExecStart=/mine\n" },
    expected: {},
  },
  {
    what: "drop-ins count in the order of their names, whatever order they are told in",
    before: { ...service(A, one), [`${A}.d/1.conf`]: NICE_1, [`${A}.d/2.conf`]: NICE_2 },
    after: { ...service(A, one), [`${A}.d/2.conf`]: NICE_2, [`${A}.d/1.conf`]: NICE_1 },
    expected: {},
  },
  {
    what: "the second of two ExecStartPre counts",
    before: { [A]: "[Service]\nExecStartPre=/x\nExecStartPre=/y\n" },
    after: { [A]: "[Service]\nExecStartPre=/x\nExecStartPre=/z\n" },
    expected: { restart: [A] },
  },
  {
    what: "a unit that was masked and is wanted now starts",
    before: { [A]: "-> /dev/null" },
    after: service(A, one),
    expected: { start: [A] },
  },
  {
    what: "a removed unit that does not run is not named",
    before: service(A, one),
    after: {},
    active: { [A]: "inactive" },
    expected: {},
  },
  {
    what: "a changed unit that systemd is starting again and again restarts",
    before: service(A, one),
    after: service(A, two),
    active: { [A]: "activating" },
    expected: { restart: [A] },
  },
  {
    what: "a wanted unit that failed is started again",
    before: service(A, one),
    after: service(A, one),
    active: { [A]: "failed" },
    expected: { start: [A] },
  },
  {
    what: "an instance that is no longer wanted runs on while its template exists",
    before: { ...loose("c@.service", one), [`${WANTED}/c@a.service`]: "-> ../c@.service" },
    after: loose("c@.service", one),
    expected: {},
  },
  {
    what: "an instance that only drop-ins declared stops when they go",
    before: { ...loose("c@.service", one), "c@x.service.d/overrides.conf": "[Service]\nNice=1\n" },
    after: loose("c@.service", one),
    expected: { stop: ["c@x.service"] },
  },
  {
    what: "a template itself is never named",
    before: loose("c@.service", one),
    after: loose("c@.service", two),
    expected: {},
  },
  {
    what: "changed options of a mount are remounted, a changed device mounts again",
    before: { "m.mount": "[Mount]\nWhat=x\nOptions=ro\n", "n.mount": "[Mount]\nWhat=x\n" },
    after: { "m.mount": "[Mount]\nWhat=x\nOptions=rw\n", "n.mount": "[Mount]\nWhat=y\n" },
    expected: { reload: ["m.mount"], restart: ["n.mount"] },
  },
  ...["s.slice", "p.path"].map((unit) => ({
    what: `a changed ${unit} needs no restart`,
    before: { [unit]: "[Unit]\nX=1\n" },
    after: { [unit]: "[Unit]\nX=2\n" },
    expected: {},
  })),
];

describe("units that a switch changes", () => {
  for (const each of observed)
    it(each.what, () => assert.deepEqual(changes(each), { ...NONE, ...each.expected }));

  describe("by the text of their files", () => {
    for (const each of details)
      it(each.what, () => assert.deepEqual(changes(each), { ...NONE, ...each.expected }));
  });

  it("are none between a system and itself", () => {
    for (const { before } of [...observed, ...details])
      assert.deepEqual(unitChanges(before, before), NONE);
  });

  it("do not go with one that goes, if what is between them does not run", () => {
    const names = ["b.service", "c.service"];
    const before = {
      ...{ ...TARGET, ...loose(A, one) },
      ...loose("b.service", one, { PartOf: A }),
      ...loose("c.service", one, { Requires: "b.service", RefuseManualStop: "true" }),
    };
    const running = { [A]: "active", "c.service": "active" };
    assert.deepEqual(unitChanges(before, TARGET, running).stop, [A]);
    const all = { ...running, "b.service": "active" };
    assert.deepEqual(unitChanges(before, TARGET, all).stop, [A, ...names]);
  });

  it("stop when the new files bind them to one that does not run, or that nobody has", () => {
    const bound = service(A, one, { BindsTo: "b.service" });
    const running = { "multi-user.target": "active", [A]: "active" };
    const before = { ...TARGET, ...service(A, one) };
    const manual = service(A, one, { BindsTo: "b.service", "X-OnlyManualStart": "true" });
    assert.deepEqual(unitChanges(before, { ...TARGET, ...manual }, running).stop, [A]);
    const there = { ...running, "b.service": "active" };
    assert.deepEqual(unitChanges(before, { ...TARGET, ...manual }, there).keep, [A]);
    assert.deepEqual(unitChanges(before, { ...TARGET, ...bound }, there).restart, [A]);
  });

  it("come with their sockets first, whichever target wants them", () => {
    const both = {
      ...{ ...TARGET, "sockets.target": "[Unit]\n" },
      ...service(A, one),
      "a.socket": "[Socket]\nListenStream=/run/a\n",
      "sockets.target.wants/a.socket": "-> ../a.socket",
    };
    const states = { "multi-user.target": "active", "sockets.target": "active" };
    const before = { ...TARGET, "sockets.target": "[Unit]\n" };
    assert.deepEqual(unitChanges(before, both, states).start, [A, "a.socket"]);
  });

  it("are named once, in order", () => {
    const names = ["z.service", "a.service", "m.service"];
    const tree = (text: Record<string, string>) =>
      Object.assign({}, ...names.map((name) => service(name, text)));
    assert.deepEqual(unitChanges(tree(one), tree(two)).restart, [
      "a.service",
      "m.service",
      "z.service",
    ]);
  });
});
