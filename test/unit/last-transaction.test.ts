import assert from "node:assert/strict";
import type { HostState } from "../../contract/host-state.ts";
import type { SystemProfileOutputs } from "../../contract/resources.ts";
import {
  describeLast,
  describeRunning,
  lastTransaction,
} from "../../providers/nixos/last-transaction.ts";
import { hostState, SYSTEM_A, verdictOf } from "../support/samples.ts";

type Last = NonNullable<HostState["last"]>;

const last = (more: Partial<Last> = {}): Last => ({
  ...{ state: "finished", id: "activate-1", what: "release 9ace77e00000 say hello", path: null },
  ...{ by: { user: "alice", host: "laptop", pid: "4711", stack: "prod" }, contract: "c" },
  ...{ startedAt: 1767225600, step: "health", since: 1767225603, result: verdictOf() },
  ...more,
});

const told = (more: Partial<Last>): string => {
  const record = last(more);
  const transaction = lastTransaction(hostState({ last: record }));
  assert.ok(transaction);
  return describeLast(record, transaction);
};

describe("the last transaction of a host", () => {
  it("is none where there was none, and where it still runs", () => {
    for (const none of [undefined, null, last({ state: "running", result: null })])
      assert.equal(lastTransaction(hostState({ last: none })), null);
  });

  it("is recorded in the host's own words, with who started it", () => {
    const result = verdictOf({ outcome: "rolled-back", reason: "503.", diagnosticsFile: "/d" });
    const expected: SystemProfileOutputs["transaction"] = {
      ...{ id: "activate-1", by: "alice@laptop (process 4711, stack prod)" },
      ...{ outcome: "rolled-back", reason: "503.", previousSystem: SYSTEM_A, probes: {} },
      ...{ startedAt: result.startedAt, finishedAt: result.finishedAt, diagnosticsFile: "/d" },
    };
    assert.deepEqual(lastTransaction(hostState({ last: last({ result }) })), expected);
  });

  const who =
    "The last transaction, activate-1 (release 9ace77e00000 say hello), started by alice@laptop (process 4711, stack prod) " +
    "at 2026-01-01 00:00:00 UTC, whose end this stack has not seen, ";
  const table: [string, Partial<Last>, string][] = [
    ["committed", {}, "was committed at 2026-01-01 00:00:12 UTC."],
    [
      "rolled back",
      { result: verdictOf({ outcome: "rolled-back", reason: "503.", diagnosticsFile: "/d" }) },
      "was rolled back: 503. Diagnostics: /d on the host. Mend the release and run `pulumi up` again.",
    ],
    [
      "rolled back because nobody was there",
      { result: verdictOf({ outcome: "rolled-back", reason: "No confirmation came." }) },
      "was rolled back: No confirmation came. Run `pulumi up` again.",
    ],
    [
      "refused",
      { result: verdictOf({ outcome: "refused", reason: "No room." }) },
      "was refused, and changed nothing: No room.",
    ],
    [
      "refused by the script itself",
      { result: { error: { code: "bad-argument", message: "No path." } } },
      "was refused, and changed nothing: No path.",
    ],
    [
      "not ended",
      { state: "lost", result: null },
      "did not end: It was cut off in step health: killed, or the power was cut. `pulumi up` puts the host right. " +
        "Its log: /var/lib/nixos-promote/jobs/activate-1/log on the host.",
    ],
    [
      "not rolled back either",
      { result: verdictOf({ outcome: "rollback-failed", reason: "Exit 2." }) },
      "failed, and its rollback too: Exit 2.",
    ],
  ];
  for (const [what, more, sentence] of table)
    it(`that was ${what} is told as such`, () => assert.equal(told(more), who + sentence));

  it("that runs is told with its step", () => {
    assert.equal(
      describeRunning(last()),
      "a transaction is running: activate-1 (release 9ace77e00000 say hello), started by alice@laptop (process 4711, stack prod) " +
        "at 2026-01-01 00:00:00 UTC, at the step 'health' since 2026-01-01 00:00:03 UTC.",
    );
  });

  it("of nobody and no time is told all the same", () => {
    assert.match(
      told({ by: null, what: null, startedAt: null }),
      /^The last transaction, activate-1, started by somebody at an unknown time, /,
    );
  });
});
