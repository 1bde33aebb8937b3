import assert from "node:assert/strict";
import type { Data } from "../../contract/data.ts";
import { ledgerRecord } from "../../contract/ledger.ts";
import { systemProfileInputs } from "../../contract/resources.ts";
import { systemProfile } from "../../providers/nixos/system-profile.ts";
import { contractOfActivation } from "../../providers/nixos/transaction.ts";
import { SYSTEM_A, SYSTEM_B, systemInputs } from "../support/samples.ts";

const MANIFEST = '{"changesSchema":["hypervisor.db"]}';
const data: Data = {
  ...{ directories: ["/opt/choiros/data"], keepBackups: 3, timeoutSeconds: 600 },
  backup: "schema",
};

describe("the manifest of a release", () => {
  const recorded = {
    ...systemInputs(),
    ...{ live: { currentSystem: SYSTEM_B, profile: SYSTEM_B }, drift: [], pending: [] },
  } as unknown as Parameters<typeof systemProfile.diff>[0];

  it("is no part of what two activations have to agree in: it goes along", () => {
    const [without, having] = [systemInputs(), systemInputs({ manifest: MANIFEST })];
    assert.equal(contractOfActivation(having), contractOfActivation(without));
    assert.notEqual(contractOfActivation(systemInputs({ data })), contractOfActivation(without));
  });

  it("is no change by itself: nobody has to record it again", () => {
    assert.deepEqual(systemProfile.diff(recorded, systemInputs({ manifest: MANIFEST })), {
      changes: false,
    });
    assert.deepEqual(systemProfile.diff(recorded, systemInputs({ data })), { changes: true });
  });

  it("may have 256 KiB, by its bytes", () => {
    const accepts = (manifest: string) =>
      systemProfileInputs.safeParse(systemInputs({ manifest })).success;
    assert.ok(accepts("x".repeat(262144)));
    assert.ok(!accepts("ä".repeat(131073)));
  });
});

describe("a record of the ledger", () => {
  const before = { at: 1, id: "activate-1", outcome: "committed", toplevel: SYSTEM_B };
  for (const [what, line] of [
    [
      "of an earlier version",
      { ...before, mode: "switch", previous: SYSTEM_A, release: { rev: "a" } },
    ],
    ["of an earlier guard at boot", { ...before, outcome: "interrupted", toplevel: undefined }],
    ["of the guard at boot", { ...before, outcome: "cut-off", after: { bootedSystem: null } }],
    [
      "of a restore of data",
      { at: 1, id: "restore-data-1", mode: "restore-data", outcome: "restored" },
    ],
    [
      "with what a switch did to units",
      {
        ...before,
        units: {
          ...{ began: 1764090000123, ended: 1764090000900, omitted: 0 },
          planned: { stop: [], start: [], restart: ["a.service"], reload: [] },
          changed: [
            { unit: "a.service", change: "restarted", from: 12, to: 240, state: "active" },
            {
              ...{ unit: "b.service", change: "started", from: 300, to: null },
              ...{ state: "activating", triggered: true },
            },
          ],
        },
      },
    ],
    ["with more than we know", { ...before, more: true }],
  ] as const)
    it(`is read ${what}`, () => assert.ok(ledgerRecord.safeParse(line).success));

  for (const [what, line] of [
    ["without an id", { at: 1, outcome: "committed" }],
    ["of a dry run", { ...before, outcome: "shown" }],
  ] as const)
    it(`is not read ${what}`, () => assert.ok(!ledgerRecord.safeParse(line).success));
});
