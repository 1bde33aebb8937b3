// What our plan says of units before a switch, beside what systemd says after it: a sample of what `npm run bench -- plan` does.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { type Pair, switchPairs } from "../../bench/corpus/pairs.ts";
import { mistakesOf, recall, scoreOf } from "../../bench/corpus/score.ts";
import { type Lab, openLab } from "../../lab/lab.ts";

// No rule was mended by what happened with it.
const SEED = 7301;
const PAIRS = 24;

describe("the plan of units, against real switches", function () {
  this.timeout(600_000);
  let lab: Lab;
  let pairs: Pair[] = [];

  before(async () => {
    lab = await openLab({ instance: process.env["TEST_LAB"] ?? "test" });
    pairs = await switchPairs(lab.host("grind"), SEED, PAIRS);
  });
  after(async () => {
    await lab?.host("grind").reset();
    await lab?.close();
  });

  it("foresees everything that is certain, and nothing else", () => {
    assert.equal(pairs.length, PAIRS);
    const certain = mistakesOf(pairs).filter((line) => !line.endsWith(")"));
    assert.deepEqual(certain, []);
  });

  it("was put to the test: enough of everything has happened", () => {
    const least = { restart: 10, start: 20, stop: 15, reload: 3 } as const;
    for (const action of ["restart", "start", "stop", "reload"] as const) {
      const times = pairs.flatMap(({ real }) => real[action]).length;
      assert.ok(times >= least[action], `${action}: ${times}`);
    }
    assert.ok(new Set(pairs.flatMap(({ rules }) => rules)).size >= 25);
  });

  it("says more than the dry run of the program itself", () => {
    const [ours, theirs] = [scoreOf(pairs, (p) => p.planned), scoreOf(pairs, (p) => p.said)];
    assert.ok(recall(ours) > recall(theirs));
  });

  it("is no copy of the program: neither reads a file of the other", () => {
    const text = (pattern: string) => {
      const root = new URL("../../", import.meta.url);
      const files = globSync(pattern, { cwd: root });
      assert.ok(files.length > 0, pattern);
      return files.map((file) => readFileSync(new URL(file, root), "utf8")).join("\n");
    };
    assert.doesNotMatch(text("providers/nixos/plan/*.ts"), /from "[^"]*\/lab\/|\.py\b/);
    assert.doesNotMatch(text("lab/nixos/switch-to-configuration/*.py"), /providers|\.ts\b/);
  });
});
