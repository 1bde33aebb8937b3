import assert from "node:assert/strict";
import type { HostState, UnitState } from "../../contract/host-state.ts";
import type { Probe } from "../../contract/probe.ts";
import type { SystemProfileOutputs } from "../../contract/resources.ts";
import { contractUnits } from "../../contract/units.ts";
import type { Verdict } from "../../contract/verdict.ts";
import { driftOf, liveOf } from "../../providers/nixos/drift.ts";
import { reasonsOf } from "../../providers/nixos/reasons.ts";
import { systemProfile } from "../../providers/nixos/system-profile.ts";
import {
  GRIND,
  hostState,
  OTHER_REV,
  pathOf,
  SYSTEM_A,
  SYSTEM_B,
  systemInputs,
  unitState,
  verdictOf,
} from "../support/samples.ts";

const wanted = systemInputs();
const unit = "hypervisor.service";
const withUnit = (more: Partial<UnitState>): HostState =>
  hostState({ units: { [unit]: unitState(more) } });

describe("drift", () => {
  it("is none where the host runs and would boot the release, with its units", () => {
    assert.deepEqual(driftOf(hostState(), wanted), []);
  });

  const identity = (probe: Partial<Probe & { kind: "unit" }>): Probe[] => [
    { name: "u", kind: "unit", unit, ...probe },
  ];
  const table: [string, HostState, Probe[], RegExp[]][] = [
    [
      "another running system",
      hostState({ currentSystem: SYSTEM_A }),
      [],
      [/^runs .*prod-a, not the release's .*prod-b$/],
    ],
    ["another boot default", hostState({ profile: SYSTEM_A }), [], [/^would boot .*prod-a, not/]],
    [
      "a host with no system at all",
      hostState({ currentSystem: null, profile: null }),
      [],
      [/^runs nothing/, /^would boot nothing/],
    ],
    [
      "a unit that does not exist",
      hostState({ units: {} }),
      identity({}),
      [/^hypervisor\.service does not exist$/],
    ],
    [
      "none where the unit of a probe may be inactive",
      withUnit({ active: "inactive", sub: "dead" }),
      identity({ onlyIfActive: unit }),
      [],
    ],
    [
      "a unit that may be inactive, but has failed",
      withUnit({ active: "failed", sub: "failed" }),
      identity({ onlyIfActive: unit }),
      [/^hypervisor\.service is failed/],
    ],
    [
      "a unit that systemd cannot find",
      withUnit({ load: "not-found", active: "inactive" }),
      identity({}),
      [/does not exist/],
    ],
    [
      "a unit that failed",
      withUnit({ active: "failed", sub: "failed" }),
      identity({}),
      [/is failed \(failed\), not active$/],
    ],
    [
      "a unit that should not run",
      withUnit({}),
      identity({ state: "inactive" }),
      [/is active \(running\), not inactive$/],
    ],
    [
      "a process that is not of the system",
      withUnit({ memberOf: false }),
      identity({}),
      [/runs .*…-hypervisor-1\.5\.0, which is not of the running system/],
    ],
    [
      "a change by hand in /run",
      withUnit({ dropIns: ["/run/systemd/system/hypervisor.service.d/x.conf"] }),
      identity({}),
      [/changed by hand in \/run\/systemd/],
    ],
    [
      "an activation that was cut off",
      hostState({ currentSystem: SYSTEM_A, interrupted: { id: "x", step: "health" } }),
      [],
      [/^runs /, /^its last transaction was cut off in step health$/],
    ],
    [
      "an activation that was cut off, as the guard at boot saw it",
      hostState({
        currentSystem: SYSTEM_A,
        interrupted: {
          ...{ id: "x", step: "test" },
          record: { at: 1767225600, from: SYSTEM_A, to: SYSTEM_B, booted: SYSTEM_A },
        },
      }),
      [],
      [/^runs /, /cut off in step test, and it booted .*prod-a at 2026-01-01T00:00:00Z$/],
    ],
    [
      "all of it at once",
      { ...withUnit({ memberOf: false, active: "reloading", sub: "reload" }), profile: null },
      identity({}),
      [/would boot/, /is reloading/, /not of the running/],
    ],
  ];
  for (const [what, state, probes, sentences] of table) {
    it(`is ${what}`, () => {
      const drift = driftOf(state, systemInputs({ probes }));
      assert.equal(drift.length, sentences.length, drift.join("\n"));
      for (const [index, sentence] of sentences.entries())
        assert.match(drift[index] ?? "", sentence);
    });
  }

  const none: [string, HostState, Probe[]][] = [
    [
      "a unit that should not run and does not exist",
      hostState({ units: {} }),
      identity({ state: "inactive" }),
    ],
    [
      "another process where identity does not matter",
      withUnit({ memberOf: false }),
      identity({ identity: false }),
    ],
    ["a unit without a process of its own", withUnit({ memberOf: null, runs: [] }), identity({})],
    [
      "a drop-in of the system itself",
      withUnit({ dropIns: ["/etc/systemd/system/hypervisor.service.d/overrides.conf"] }),
      identity({}),
    ],
    [
      "a probe of another kind",
      hostState({ units: {} }),
      [{ name: "p", kind: "socket", port: 80 }],
    ],
  ];
  for (const [what, state, probes] of none) {
    it(`is not ${what}`, () => assert.deepEqual(driftOf(state, systemInputs({ probes })), []));
  }

  it("looks at the units of the health contract", () => {
    const probes: Probe[] = [...identity({}), { name: "p", kind: "socket", port: 80 }];
    assert.deepEqual(contractUnits(probes), [unit]);
  });
});

describe("why a host did not take a release", () => {
  const now = liveOf(hostState({ currentSystem: SYSTEM_A, profile: SYSTEM_A }));
  const probe = { name: "live", kind: "http", ok: false, attempts: 3, seconds: 9, answer: "503" };
  const reasons = (more: Partial<Verdict>) =>
    reasonsOf(
      wanted,
      verdictOf({ outcome: "rolled-back", reason: "hypervisor answered 503.", ...more }),
      now,
    );

  it("begins with what happened, then where the host is now and what to do", () => {
    const [what, where, ...more] = reasons({});
    assert.equal(what, "choiros-prod did not take release 9ace77e00000: hypervisor answered 503.");
    assert.match(
      where ?? "",
      /^It rolled back by itself: choiros-prod runs .*prod-a and would boot .*prod-a\. Mend the release and run `pulumi up` again\.$/,
    );
    assert.deepEqual(more, []);
  });

  it("says that nothing was changed when the host refused", () => {
    assert.match(reasons({ outcome: "refused" })[1] ?? "", /^Nothing was changed: /);
  });

  it("says what to do about a refusal, after what the host runs", () => {
    const told = reasons({ outcome: "refused", reason: "Too full.", advice: "Free some." });
    assert.match(told[0] ?? "", /: Too full\.$/);
    assert.match(told[1] ?? "", /^Nothing was changed: /);
    assert.equal(told[2], "Free some.");
  });

  it("says loudly when the rollback failed, and what a reboot would do", () => {
    const [, where] = reasons({ outcome: "rollback-failed" });
    assert.match(where ?? "", /^THE ROLLBACK FAILED TOO: .*so a reboot brings it back/);
  });

  it("does not promise that a reboot helps when the boot default is not the previous system", () => {
    const moved = liveOf(hostState({ currentSystem: SYSTEM_B, profile: SYSTEM_B }));
    const [, where] = reasonsOf(
      wanted,
      verdictOf({ outcome: "rollback-failed", reason: "x" }),
      moved,
    );
    assert.doesNotMatch(where ?? "", /a reboot brings it back/);
  });

  it("names what is still sick after the rollback", () => {
    const told = reasons({ healthAfterRollback: [probe, { ...probe, name: "well", ok: true }] });
    assert.deepEqual(told[2], "After the rollback not healthy: live (503).");
  });

  it("ends with the diagnostics and where all of them are", () => {
    const told = reasons({
      diagnostics: "journal\n",
      diagnosticsFile: "/var/lib/nixos-promote/jobs/1/diagnostics",
    });
    assert.deepEqual(told.slice(2), [
      "Diagnostics:\njournal",
      "All of it: /var/lib/nixos-promote/jobs/1/diagnostics on choiros-prod.",
    ]);
  });

  it("admits that no reason was given", () => {
    assert.match(reasons({ reason: null })[0] ?? "", /: no reason given$/);
  });
});

describe("SystemProfile's diff", () => {
  const observed: SystemProfileOutputs = {
    ...wanted,
    live: liveOf(hostState()),
    drift: [],
    pending: [],
    transaction: null,
  };
  const changes = (state: SystemProfileOutputs, inputs = wanted) =>
    systemProfile.diff(state, inputs).changes;

  it("is none for a host that runs what is wanted", () => assert.equal(changes(observed), false));

  const table: [string, boolean][] = [
    [
      "another running system, even if the record says otherwise",
      changes({ ...observed, live: liveOf(hostState({ currentSystem: SYSTEM_A })) }),
    ],
    ["another boot default", changes({ ...observed, live: liveOf(hostState({ profile: null })) })],
    [
      "drift",
      changes({ ...observed, drift: ["hypervisor.service is failed (failed), not active"] }),
    ],
    ["another release", changes(observed, systemInputs({ toplevel: pathOf("other") }))],
    ["another revision of the same system", changes(observed, systemInputs({ rev: OTHER_REV }))],
    ["another health contract", changes(observed, systemInputs({ probes: [] }))],
    [
      "another machine id than the one that was seen",
      changes(observed, systemInputs({ machineId: "f".repeat(32) })),
    ],
    ["another connection", changes(observed, systemInputs({ connection: GRIND }))],
    [
      "another time limit",
      changes(observed, systemInputs({ timeouts: { switch: 1, confirm: 1, rollback: 1 } })),
    ],
  ];
  for (const [what, changed] of table)
    it(`is a change for ${what}`, () => assert.equal(changed, true));

  it("never replaces: a host is not made again", () => {
    for (const inputs of [wanted, systemInputs({ host: "other" })])
      assert.deepEqual(systemProfile.diff(observed, inputs).replaces ?? [], []);
  });
});
