import assert from "node:assert/strict";
import { type Building, checkRepository } from "../../../cli/checks/builder.ts";
import { checkReach, checkTrust } from "../../../cli/checks/delivery.ts";
import { compare } from "../../../cli/checks/history.ts";
import { findingLines } from "../../../cli/checkup.ts";
import { type Finding, Findings } from "../../../cli/finding.ts";
import { wrap } from "../../../cli/text.ts";
import { parseSettings } from "../../../settings.ts";
import { OTHER_REV, REV } from "../../support/samples.ts";
import { settingsOf } from "../../support/stack-config.ts";

const { release } = parseSettings(settingsOf("grind"));
const BUILDING = release as Building;
const CLEAN = {
  ...{ error: null, commit: REV, subject: "hello", dirty: [], dirtyCount: 0 },
  ...{ ahead: null, behind: null },
};

function found(check: (findings: Findings) => unknown): readonly Finding[] {
  const findings = new Findings("prod");
  check(findings);
  return findings.list;
}

function one(state: Finding["state"], check: (findings: Findings) => unknown): string {
  const list = found(check).filter((finding) => finding.state === state);
  assert.equal(list.length, 1, JSON.stringify(list));
  assert.ok(state === "ok" || list[0]?.fix, "it says what to do");
  return list[0]?.says ?? "";
}

describe("the doctor", () => {
  it("knows a clean repository with the revision", () => {
    const list = found((to) => checkRepository(CLEAN, BUILDING, to));
    assert.deepEqual(
      list.map(({ state }) => state),
      ["ok", "ok"],
    );
  });

  it("says what is dirty, and that it is in no release", () => {
    const dirty = [" M flake.nix", "?? notes.txt"];
    const seen = { ...CLEAN, dirty, dirtyCount: 7 };
    const says = one("fail", (to) => checkRepository(seen, BUILDING, to));
    one("warn", (to) => checkRepository(seen, { ...BUILDING, requireClean: false }, to));
    assert.match(
      says,
      /dirty: 7 changes are not committed and so in no release \( M flake\.nix, \?\? notes\.txt, …\)/,
    );
  });

  it("says that a revision is missing, or the repository", () => {
    assert.match(
      one("fail", (to) => checkRepository({ ...CLEAN, commit: null }, BUILDING, to)),
      /has no revision main/,
    );
    assert.match(
      one("fail", (to) => checkRepository({ error: "not a git repository" }, BUILDING, to)),
      /\/opt\/choiros\/workspace on choiros-grind is no git repository/,
    );
  });

  it("says whether the host trusts the key that signs", () => {
    const key = "lab-1:AAAA=";
    const nix = { requireSigs: true, trustedKeys: [key] };
    assert.match(
      one("ok", (to) => checkTrust(key, nix, to)),
      /trusts lab-1/,
    );
    assert.match(
      one("fail", (to) => checkTrust(key, { ...nix, trustedKeys: ["lab-1:BBBB="] }, to)),
      /does not trust the key that signs: lab-1:AAAA=/,
    );
    assert.match(
      one("warn", (to) => checkTrust(key, { ...nix, requireSigs: false }, to)),
      /unsigned/,
    );
  });

  it("says whom the builder reaches", () => {
    const wanted = { to: "choiros-prod", machineId: "a".repeat(32) };
    const reached = (machineId: string | null) => (to: Findings) =>
      checkReach({ machineId, said: "Permission denied (publickey)." }, wanted, to);
    assert.match(one("ok", reached(wanted.machineId)), /reaches the host as choiros-prod/);
    assert.match(one("fail", reached("b".repeat(32))), /another machine \(bbbb/);
    assert.match(one("fail", reached(null)), /does not reach choiros-prod: Permission denied/);
  });

  for (const [ahead, behind, state, says] of [
    [0, 0, "ok", /runs 9ace77e00000 already/],
    [3, 0, "ok", /9ace77e00000 is 3 commits ahead of the host's f1dd4a000000/],
    [
      0,
      1,
      "warn",
      /9ace77e00000 is older than what the host runs: 1 commit of f1dd4a000000 would go/,
    ],
    [
      2,
      1,
      "warn",
      /the hosts have diverged: 9ace77e00000 lacks 1 commit of the host's f1dd4a000000, and has 2 commits/,
    ],
    [null, null, "warn", /runs f1dd4a000000, which the builder's repository does not have/],
  ] as const)
    it(`compares what is built with what runs: ${ahead} ahead, ${behind} behind`, () => {
      assert.match(
        one(state, (to) => compare({ rev: REV, runs: OTHER_REV, ahead, behind }, to)),
        says,
      );
    });

  it("tells its findings by place, in 80 columns", () => {
    const list = found((to) => {
      to.ok("nix", "2.26.3");
      to.fail(
        "copy",
        `the builder does not reach choiros-prod: ${"very long words ".repeat(10)}`,
        "Do this and that.",
      );
    });
    const wraps = (text: string, margins = {}) => wrap(text, 80, margins).split("\n");
    const lines = findingLines(
      list,
      { paint: (text) => text, wrap: wraps },
      new Map([["prod", "prod (choiros-prod)"]]),
    );
    assert.deepEqual(lines.slice(0, 2), ["prod (choiros-prod)", "  ok    nix: 2.26.3"]);
    assert.match(lines[2] ?? "", /^ {2}fail {2}copy: the builder does not reach/);
    assert.equal(lines.at(-1), "        -> Do this and that.");
    for (const line of lines) assert.ok(line.length <= 80, line);
  });
});
