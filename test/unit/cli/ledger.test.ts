import assert from "node:assert/strict";
import { historyLines } from "../../../cli/commands/history.ts";
import { EXIT, Stop } from "../../../cli/exit-code.ts";
import { choose, pastOf } from "../../../cli/ledger.ts";
import { widthOf, wrap } from "../../../cli/text.ts";
import type { History, LedgerRecord } from "../../../contract/ledger.ts";
import { OTHER_REV, pathOf, REV, SYSTEM_A, SYSTEM_B } from "../../support/samples.ts";

const OLD_REV = "9acc000000000000000000000000000000000000";
const OLDEST = pathOf("nixos-system-choiros-prod-oldest");

function record(
  id: string,
  toplevel: string,
  rev: string,
  more: Partial<LedgerRecord> = {},
): LedgerRecord {
  return {
    ...{ at: 1767225612, id, mode: "switch", outcome: "committed", toplevel },
    release: { rev, subject: `what ${id} brings` },
    by: { user: "alice", host: "laptop", stack: "prod" },
    ...more,
  };
}

const HISTORY: History = {
  records: [
    record("activate-6", SYSTEM_B, REV),
    record("activate-5", pathOf("sick"), "0".repeat(40), {
      outcome: "rolled-back",
      reason: "503.",
    }),
    record("activate-4", SYSTEM_B, REV),
    record("activate-3", SYSTEM_A, OTHER_REV),
    record("activate-2", OLDEST, OLD_REV),
  ],
  damaged: 0,
  releases: [
    { toplevel: SYSTEM_B, valid: true, held: true, manifest: true },
    { toplevel: SYSTEM_A, valid: true, held: true, manifest: true },
    { toplevel: OLDEST, valid: false, held: false, manifest: false },
  ],
  manifest: null,
};
const PAST = pastOf(HISTORY);

function refusal(to: string | undefined, past = PAST): Stop {
  try {
    choose(past, to);
  } catch (error) {
    assert.ok(error instanceof Stop);
    return error;
  }
  return assert.fail("it should have been refused");
}

describe("what a host has run before", () => {
  it("is every committed system once, the newest first, and no failure", () => {
    assert.deepEqual(
      PAST.map(({ back, id, rev, valid }) => [back, id, rev, valid]),
      [
        [0, "activate-6", REV, true],
        [1, "activate-3", OTHER_REV, true],
        [2, "activate-2", OLD_REV, false],
      ],
    );
  });

  for (const [to, id] of [
    [undefined, "activate-3"],
    ["1", "activate-3"],
    ["2", "activate-2"],
    ["0", "activate-6"],
    ["activate-2", "activate-2"],
    [OLD_REV, "activate-2"],
    ["f1dd", "activate-3"],
    ["9ace", "activate-6"],
  ] as const)
    it(`--to ${to ?? "(nothing)"} is ${id}`, () => {
      assert.equal(choose(PAST, to).id, id);
    });

  for (const [to, past, code, says] of [
    ["3", PAST, EXIT.failed, /remembers 3 releases, so --to goes up to 2: 0 \(9ace/],
    [undefined, PAST.slice(0, 1), EXIT.failed, /one release only/],
    [undefined, [], EXIT.failed, /nothing to go back to/],
    ["beef", PAST, EXIT.usage, /no release beef\. It has: 0 \(9ace77e00000\), 1 \(f1dd/],
    ["activate-5", PAST, EXIT.usage, /no release activate-5/],
    ["9ac", PAST, EXIT.usage, /no release 9ac/],
    ["main", PAST, EXIT.usage, /no release main/],
  ] as const)
    it(`--to ${to ?? "(nothing)"} of ${past.length} is refused: ${says.source}`, () => {
      const { code: given, message } = refusal(to, [...past]);
      assert.equal(given, code);
      assert.match(message, says);
    });

  it("the beginning of two commits is none", () => {
    const past = pastOf({
      ...HISTORY,
      records: [
        record("a", SYSTEM_A, `abcd${"1".repeat(36)}`),
        record("b", SYSTEM_B, `abcd${"2".repeat(36)}`),
      ],
    });
    assert.match(refusal("abcd", past).message, /beginning of more than one/);
  });
});

describe("the table of a host's history", () => {
  const paper = (width: number) => ({
    width,
    paint: (text: string) => text,
    wrap: (text: string, margins: object) => wrap(text, width, margins).split("\n"),
  });

  for (const width of [80, 200])
    it(`at ${width} columns`, () => {
      const lines = historyLines(HISTORY.records, PAST, paper(width));
      for (const line of lines) assert.ok(widthOf(line) <= width, line);
      assert.match(lines[0] ?? "", /^TO {2}WHEN {15}OUTCOME {6}RELEASE +BY$/);
      assert.match(
        lines[1] ?? "",
        /^0 {3}2026-01-01 00:00Z {2}committed {4}9ace77e00000 .* alice@laptop \(stack prod\)$/,
      );
      const text = lines.join("\n");
      assert.match(text, /rolled-back.*\n {4}activate-5: 503\./);
      assert.match(text, /\n2 .*\n {4}its system is no longer in the host's store/);
      if (width === 200) assert.doesNotMatch(text, /…/);
    });

  it("of a host that has none says so", () => {
    assert.deepEqual(historyLines([], [], paper(80)), ["No transaction is on record."]);
  });
});
