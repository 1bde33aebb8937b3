import assert from "node:assert/strict";
import { Goal, type Mode, mode } from "../../contract/goal.ts";
import type { HostState } from "../../contract/host-state.ts";
import { type SystemProfileOutputs, systemProfileInputs } from "../../contract/resources.ts";
import { driftOf, liveOf, pendingOf, questionOf } from "../../providers/nixos/drift.ts";
import { unknownPlan } from "../../providers/nixos/plan/plan.ts";
import { planText } from "../../providers/nixos/plan/text.ts";
import { systemProfile } from "../../providers/nixos/system-profile.ts";
import {
  hostState,
  LINKS,
  OTHER_REV,
  pathOf,
  SYSTEM_A,
  SYSTEM_B,
  systemInputs,
} from "../support/samples.ts";

const nothing = { probes: [] };

describe("a goal", () => {
  const table: [Mode, Partial<Goal>][] = [
    ["switch", { changesHost: true, activates: true, setsBootDefault: true, success: "committed" }],
    ["immediate", { activates: true, setsBootDefault: true, asksForConfirmation: false }],
    ["boot", { activates: false, setsBootDefault: true, success: "committed" }],
    ["test", { activates: true, setsBootDefault: false, success: "tested" }],
    ["dry-activate", { changesHost: false, activates: false, success: "shown" }],
  ];
  for (const [name, answers] of table)
    it(`knows what ${name} means`, () => {
      const goal = Goal.of(name);
      for (const key of Object.keys(answers) as (keyof Goal)[])
        assert.equal(goal[key], answers[key], key);
    });

  it("asks for a confirmation in switch and test alone", () => {
    const asking = mode.options.filter((name) => Goal.of(name).asksForConfirmation);
    assert.deepEqual(asking, ["switch", "test"]);
  });
});

// What the host runs and would boot, then whether the wanted system B drifts, and what waits.
type Row = [currentSystem: string, profile: string, drift: RegExp[], pending: RegExp[]];
const runs = /^runs .*prod-a, not the release's .*prod-b$/;
const boots = /^would boot .*prod-a, not the release's .*prod-b$/;
const waits = /^takes effect at the next boot; until then it runs .*prod-a$/;
const passing = /^runs only until the next boot, which goes back to .*prod-a$/;
const table: Record<Mode, Row[]> = {
  switch: [
    [SYSTEM_B, SYSTEM_B, [], []],
    [SYSTEM_A, SYSTEM_B, [runs], []],
    [SYSTEM_B, SYSTEM_A, [boots], []],
    [SYSTEM_A, SYSTEM_A, [runs, boots], []],
  ],
  immediate: [
    [SYSTEM_B, SYSTEM_B, [], []],
    [SYSTEM_A, SYSTEM_B, [runs], []],
    [SYSTEM_B, SYSTEM_A, [boots], []],
  ],
  boot: [
    [SYSTEM_B, SYSTEM_B, [], []],
    [SYSTEM_A, SYSTEM_B, [], [waits]],
    [SYSTEM_B, SYSTEM_A, [boots], []],
    [SYSTEM_A, SYSTEM_A, [boots], []],
  ],
  test: [
    [SYSTEM_B, SYSTEM_B, [], []],
    [SYSTEM_B, SYSTEM_A, [], [passing]],
    [SYSTEM_A, SYSTEM_A, [runs], []],
    [SYSTEM_A, SYSTEM_B, [runs], []],
  ],
  "dry-activate": [
    [SYSTEM_B, SYSTEM_B, [], []],
    [SYSTEM_A, SYSTEM_A, [runs, boots], []],
  ],
};

describe("in sync", () => {
  for (const name of mode.options)
    for (const [currentSystem, profile, drift, pending] of table[name]) {
      const says = [...drift, ...pending].length === 0 ? "nothing to say" : "";
      const where = `running ${currentSystem.slice(-1)}, booting ${profile.slice(-1)}`;
      it(`in mode ${name}, ${where}: ${says || [...drift, ...pending].join(" ")}`, () => {
        const wanted = systemInputs({ mode: name, ...nothing });
        const state = hostState({ currentSystem, profile });
        matches(driftOf(state, wanted), drift);
        matches(pendingOf(state, wanted), pending);
        const changes = systemProfile.diff(recorded(state, name), wanted).changes;
        assert.equal(changes, drift.length > 0 || name === "dry-activate");
      });
    }

  it("does not judge the units of a release that waits for a reboot, and does after it", () => {
    const wanted = systemInputs({ mode: "boot" });
    assert.deepEqual(driftOf(hostState({ currentSystem: SYSTEM_A, units: {} }), wanted), []);
    assert.deepEqual(driftOf(hostState({ units: {} }), wanted), [
      "hypervisor.service does not exist",
    ]);
  });

  it("a trial becomes a transaction once it is to be the boot default", () => {
    const state = recorded(hostState({ profile: SYSTEM_A }), "test");
    const change = (to: Mode) =>
      systemProfile.diff(state, systemInputs({ mode: to, ...nothing })).changes;
    assert.equal(change("switch"), true);
    assert.equal(change("test"), false);
  });

  function matches(sentences: string[], patterns: RegExp[]): void {
    assert.equal(sentences.length, patterns.length, sentences.join("\n"));
    for (const [index, pattern] of patterns.entries())
      assert.match(sentences[index] ?? "", pattern);
  }
});

describe("links", () => {
  const wanted = systemInputs({ links: LINKS, ...nothing });
  const alone = systemInputs({ strategy: "links", links: LINKS, ...nothing });
  const { toplevel: _none, ...withoutSystem } = alone;
  const target = LINKS.files["hypervisor"] ?? "";
  const cases: [string, Partial<HostState>, RegExp[]][] = [
    ["that lead to the release", { links: { hypervisor: target } }, []],
    [
      "that lead elsewhere",
      { links: { hypervisor: "/tmp/mine" } },
      [/^\/opt\/choiros\/bin\/hypervisor leads to \/tmp\/mine, not to \/nix\/store/],
    ],
    ["that are gone", { links: { hypervisor: null } }, [/hypervisor does not exist, not to/]],
    [
      "that a transaction has left unproven",
      { links: { hypervisor: target }, linksOnTrial: "activate-7" },
      [/^the links in \/opt\/choiros\/bin are unproven: activate-7 was cut off$/],
    ],
    [
      "that a running transaction has on trial",
      {
        links: { hypervisor: target },
        linksOnTrial: "activate-7",
        activation: { id: "activate-7", step: "health" },
      },
      [],
    ],
  ];
  for (const [what, state, sentences] of cases)
    it(`${what}: ${sentences.length === 0 ? "no drift" : "drift"}`, () => {
      const drift = driftOf(hostState(state), wanted);
      assert.equal(drift.length, sentences.length, drift.join("\n"));
      for (const sentence of sentences) assert.match(drift[0] ?? "", sentence);
    });

  it("alone do not mind which system runs", () => {
    const state = hostState({
      ...{ currentSystem: SYSTEM_A, profile: pathOf("other"), links: { hypervisor: target } },
    });
    assert.deepEqual(driftOf(state, withoutSystem), []);
    const outputs = { ...withoutSystem, live: liveOf(state), ...{ drift: [], pending: [] } };
    assert.equal(
      systemProfile.diff({ ...outputs, transaction: null }, withoutSystem).changes,
      false,
    );
  });

  it("are a change where the release has another program", () => {
    const state = hostState({ links: { hypervisor: target } });
    const outputs = { ...wanted, live: liveOf(state), ...{ drift: [], pending: [] } };
    const next = {
      ...LINKS,
      files: { hypervisor: `${pathOf("hypervisor-1.6.0")}/bin/hypervisor` },
    };
    const changes = (more: object) =>
      systemProfile.diff({ ...outputs, transaction: null }, systemInputs({ ...nothing, ...more }))
        .changes;
    assert.equal(changes({ links: LINKS }), false);
    assert.equal(changes({ links: next }), true);
    assert.equal(changes({}), true, "no more links is a change of the record");
  });

  it("are asked for by name", () => {
    assert.deepEqual(questionOf(wanted), {
      units: [],
      links: { directory: "/opt/choiros/bin", names: ["hypervisor"] },
    });
    assert.deepEqual(questionOf(systemInputs(nothing)), { units: [] });
  });

  const refused: [string, object, string][] = [
    ["a system that is missing", { ...withoutSystem, strategy: undefined }, "toplevel"],
    ["the strategy without links", { ...systemInputs(), strategy: "links" }, "links"],
    [
      "a target that is a whole store path",
      { ...wanted, links: { ...LINKS, files: { hypervisor: pathOf("hypervisor-1.5.0") } } },
      "links.files.hypervisor",
    ],
    [
      "a target that leads out of its store path",
      { ...wanted, links: { ...LINKS, files: { x: `${pathOf("a")}/../b` } } },
      "links.files.x",
    ],
    [
      "a target outside the store",
      { ...wanted, links: { ...LINKS, files: { x: "/usr/bin/true" } } },
      "links.files.x",
    ],
  ];
  for (const [what, inputs, where] of refused)
    it(`refuses ${what}`, () => {
      const { error } = systemProfileInputs.safeParse(inputs);
      assert.deepEqual(
        error?.issues.map(({ path }) => path.join(".")),
        [where],
      );
    });
});

describe("the plan of a mode", () => {
  const seen = {
    ...{ host: "choiros-prod", rev: OTHER_REV, subject: "b", to: SYSTEM_B, probes: [], drift: [] },
    state: hostState({ currentSystem: SYSTEM_A, profile: SYSTEM_A }),
    ...{ pending: [], relinked: [] },
  };
  it("says when it takes effect, unless it is at once and for good", () => {
    const text = (name: Mode) => planText(unknownPlan({ ...seen, mode: name }));
    assert.doesNotMatch(text("switch"), /effect/);
    assert.match(text("boot"), /^ {2}effect {4}at the next boot; until then nothing that runs/m);
    assert.match(text("test"), /^ {2}effect {4}until the next boot/m);
    assert.match(text("immediate"), /^ {2}effect {4}the boot default comes first/m);
    assert.match(text("dry-activate"), /^ {2}effect {4}none: it is only shown/m);
  });

  it("shows what waits, and what becomes of the links", () => {
    const relinked = [{ name: "hypervisor", from: null, to: LINKS.files["hypervisor"] ?? "" }];
    const text = planText(
      unknownPlan({
        ...seen,
        mode: "switch",
        to: SYSTEM_A,
        links: LINKS,
        relinked,
        pending: ["x"],
      }),
    );
    assert.match(text, /system {4}.*prod-a \(no change\)$/m);
    assert.match(text, /^ {2}links {5}hypervisor: nothing -> \w+-hypervisor-1\.5\.0\/bin/m);
    assert.match(text, /^ {2}restart {3}hypervisor\.service$/m);
    assert.match(text, /^ {2}pending {3}x$/m);
  });
});

function recorded(state: HostState, name: Mode): SystemProfileOutputs {
  const inputs = systemInputs({ mode: name, ...nothing });
  return {
    ...inputs,
    live: liveOf(state),
    drift: driftOf(state, inputs),
    pending: pendingOf(state, inputs),
    transaction: null,
  };
}
