import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { code, fitted, text } from "../../../cli/markdown.ts";
import { Output } from "../../../cli/output.ts";
import { changesSince } from "../../../cli/plan/compare.ts";
import { readAnyPlan, readPlan, savePlan } from "../../../cli/plan/file.ts";
import { fleetPlanMarkdown } from "../../../cli/plan/fleet-markdown.ts";
import { fleetPlanLines } from "../../../cli/plan/fleet-text.ts";
import { planMarkdown } from "../../../cli/plan/markdown.ts";
import { planLines } from "../../../cli/plan/text.ts";
import type { PlanDocument } from "../../../contract/plan.ts";
import { fleetPlanDocument, planDocument } from "../../support/plan-samples.ts";
import { OTHER_REV, SYSTEM_B } from "../../support/samples.ts";

describe("a plan that was kept", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "plan-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("is read as it was written, in one form only", () => {
    const file = join(directory, "plan.json");
    const document = planDocument();
    savePlan(file, document);
    assert.deepEqual(readPlan(file), document);
    assert.equal(readFileSync(file, "utf8").split("\n").length, 2);
  });

  it("keeps what a later version has more of", () => {
    const file = join(directory, "plan.json");
    const more = planDocument({ change: { ...planDocument().change, tmpfiles: ["+ /srv"] } });
    savePlan(file, more);
    assert.deepEqual(readPlan(file).change["tmpfiles"], ["+ /srv"]);
  });

  for (const [what, change, says] of [
    [
      "changed by hand",
      (was: string) => was.replace('"restart":["', '"restart":["a.service","'),
      /is not the plan/,
    ],
    ["no plan", () => '{"schema":7}', /is no plan/],
    ["no JSON", () => "plan", /is no plan/],
  ] as const)
    it(`is refused if it is ${what}`, () => {
      const file = join(directory, "plan.json");
      savePlan(file, planDocument());
      writeFileSync(file, change(readFileSync(file, "utf8")));
      assert.throws(() => readPlan(file), says);
    });

  it("has the same id whenever it was made", () => {
    assert.equal(planDocument({ createdAt: 1 }).id, planDocument().id);
    assert.notEqual(planDocument({ mode: "boot" }).id, planDocument().id);
  });
});

const NO_FILES = { added: [], removed: [], changed: [] };

describe("what has changed since a plan was reviewed", () => {
  const plan = planDocument();
  const withHost = (more: Partial<PlanDocument["host"]>) =>
    planDocument({ host: { ...plan.host, ...more } });
  const withChange = (more: Partial<PlanDocument["change"]>) =>
    planDocument({ change: { ...plan.change, ...more } });

  it("is nothing, if all is as it was", () => {
    assert.deepEqual(changesSince(plan, planDocument({ createdAt: 9 })), []);
  });

  it("is nothing, if only less is left to copy", () => {
    assert.deepEqual(changesSince(plan, withChange({ copy: { paths: 0, bytes: 0 } })), []);
  });

  const table: [what: string, now: PlanDocument, says: RegExp][] = [
    [
      "another commit",
      planDocument({ release: { ...plan.release, rev: OTHER_REV } }),
      /^release: 9ace77e00000 was reviewed, f1dd4a000000 is/,
    ],
    [
      "the same commit, built anew",
      planDocument({ release: { ...plan.release, id: "b".repeat(64) } }),
      /built anew/,
    ],
    ["another mode", planDocument({ mode: "immediate" }), /^mode: switch was reviewed, immediate/],
    [
      "what runs",
      withHost({ currentSystem: SYSTEM_B }),
      /^choiros-prod: runs: \S+-a then, \S+-b now$/,
    ],
    ["what would boot", withHost({ profile: null }), /would boot: \S+ then, nothing now/],
    ["the generation", withHost({ generation: 42 }), /generation: 41 then, 42 now/],
    ["the machine", withHost({ machineId: "f".repeat(32) }), /another machine/],
    [
      "a failed unit",
      withHost({ failedUnits: ["x.service"] }),
      /failed units: none then, x\.service now/,
    ],
    [
      "a unit that restarts",
      withChange({ units: { ...plan.change.units, restart: ["hypervisor.service", "b.service"] } }),
      /^units: restart: \+ b\.service$/,
    ],
    ["a package", withChange({ packages: [] }), /^packages: - hypervisor$/],
    ["drift", withChange({ drift: ["a.service is failed"] }), /^drift: \+ a\.service is failed$/],
    [
      "a transaction that runs",
      withChange({ running: "busy" }),
      /^running: nothing then, busy now$/,
    ],
    [
      "more to copy",
      withChange({ copy: { ...plan.change.copy, paths: 9 } }),
      /^copy: 8 paths then, 9 now$/,
    ],
    [
      "another way",
      withChange({ copy: { ...plan.change.copy, way: "through here" } }),
      /^copy: straight from the builder then, through here now$/,
    ],
    [
      "what only a later version knows",
      withChange({ tmpfiles: ["+ /srv"] }),
      /^tmpfiles: nothing then, \+ \/srv now$/,
    ],
    [
      "another file below /etc",
      withChange({ etc: { ...(plan.change.etc ?? NO_FILES), added: ["bob"] } }),
      /^etc: added: \+ bob$/,
    ],
  ];
  for (const [what, now, says] of table)
    it(`is ${what}, which is named`, () => {
      const changes = changesSince(plan, now);
      assert.equal(changes.length, 1, changes.join("\n"));
      assert.match(changes[0] ?? "", says);
    });
});

describe("the plan in a terminal", () => {
  it("fits, is in colour only there, and gives its rows back whole in a pipe", () => {
    const long = planDocument({
      text: `a: b\n  restart   ${Array.from({ length: 20 }, (_, index) => `unit-${index}.service`).join(", ")}`,
    });
    const terminal = (columns: number, env = {}) =>
      new Output({ stdout: { isTTY: true, columns, write: () => {} }, env });
    for (const width of [80, 200])
      for (const line of planLines(long, terminal(width)))
        assert.ok(stripVTControlCharacters(line).length <= width);
    assert.ok(planLines(long, terminal(80)).join("\n").includes("\u001b[33m  restart"));
    assert.ok(
      !planLines(long, terminal(80, { NO_COLOR: "1" }))
        .join("\n")
        .includes("\u001b"),
    );
    assert.equal(planLines(long, new Output({ stdout: { write: () => {} } })).length, 3);
  });
});

describe("the plan as Markdown", () => {
  it("says the main things first, and closes the rest", () => {
    const said = planMarkdown(planDocument());
    assert.match(
      said,
      /^### Plan for prod: choiros\\-prod\n\n`f1dd4a000000` → `9ace77e00000` hypervisor: say hello\n/,
    );
    assert.match(said, /\| \*\*Restart\*\* \| `hypervisor\.service` \|/);
    assert.match(
      said,
      /\| \*\*Users\*\* \| new alice; changed root \\\(password\\\); groups: changed wheel /,
    );
    assert.match(said, /\| \*\*\/etc\*\* \| changed ssh\/ssh\\_config; gone issue \|/);
    assert.match(said, /<summary>Users and \/etc: 5<\/summary>/);
    assert.match(said, /\| group \| `wheel` \| changed: \\\+alice \|/);
    assert.match(said, /<details><summary>Packages: 1<\/summary>\n\n\| Package/);
  });

  it("fits into a comment, however much there is, and closes what it has opened", () => {
    const packages = Array.from({ length: 5000 }, (_, index) => ({
      name: `päckage-${index}`,
      from: ["1"],
      to: ["2"],
      bytes: 1,
    }));
    const said = planMarkdown(planDocument({ change: { ...planDocument().change, packages } }));
    assert.ok(Buffer.byteLength(said) < 65_536, `${Buffer.byteLength(said)}`);
    assert.equal(said.match(/<details>/g)?.length, said.match(/<\/details>/g)?.length);
    assert.match(said, /more lines did not fit into a comment/);
    assert.match(said, /Apply this and nothing else/);
  });

  it("lets no text of others be markup, a link, or a call of somebody", () => {
    const hostile =
      "<img src=x> [a](http://evil.example) @team #12 | `x` **b** www.evil.example\n# title";
    const said = text(hostile);
    assert.doesNotMatch(said, /<img|[^\\]\[|@team|#12|http:|[^\\]\||www\.|\n/);
    assert.equal(code("a`b|c"), "`a'b\u00a6c`");
  });

  it("never says more than there is room for", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 400 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 3000, max: 9000 }),
        (parts, limit) => {
          assert.ok(Buffer.byteLength(fitted(parts, limit)) <= limit);
        },
      ),
    );
  });
});

describe("the plan of many hosts", () => {
  const said = (document = fleetPlanDocument()) =>
    fleetPlanLines(document, new Output({ stdout: { write: () => {} } }));

  it("is read as it was written, and cannot be applied as that of one host", () => {
    const directory = mkdtempSync(join(tmpdir(), "plan-"));
    try {
      const file = join(directory, "plan.json");
      savePlan(file, fleetPlanDocument());
      assert.deepEqual(readAnyPlan(file), fleetPlanDocument());
      assert.throws(() => readPlan(file), /plan of a stack with many hosts.*Nothing was touched/);
      writeFileSync(file, readFileSync(file, "utf8").replace("web-5", "web-6"));
      assert.throws(() => readAnyPlan(file), /is not the plan/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("has a part for each wave, with each group once, and who is left out", () => {
    assert.deepEqual(said().slice(0, -1), [
      ...["wave canary: 1 host, then 60 s of soak"],
      ...["web-1: f1dd4a000000 -> 9ace77e00000 say hello", "  restart   x", ""],
      ...["wave rest: 6 hosts"],
      "3 hosts (web-2, web-3, db-1): f1dd4a000000 -> 9ace77e00000 say hello",
      ...["  restart   x", "web-4: no change", "web-6: left alone, by [only]"],
      ...["  ! web-5: nothing answers there.", ""],
    ]);
    assert.match(said().at(-1) ?? "", /^ {2}plan [0-9a-f]{12}, 2 to update$/);
  });

  it("fits into a terminal", () => {
    const output = new Output({ stdout: { isTTY: true, columns: 60, write: () => {} }, env: {} });
    for (const line of fleetPlanLines(fleetPlanDocument(), output))
      assert.ok(stripVTControlCharacters(line).length <= 60, line);
  });

  it("is as Markdown what its waves are, with the hosts of each group closed below it", () => {
    const markdown = fleetPlanMarkdown(fleetPlanDocument());
    assert.match(markdown, /^### Plan for fleet\n\n`f1dd4a000000` → `9ace77e00000` hypervisor/);
    assert.match(markdown, /#### Wave canary: 1 host, then 60 s of soak\n\n\*\*web\\-1\*\*/);
    assert.match(markdown, /\*\*3 hosts \\\(web\\-2, web\\-3, db\\-1\\\)\*\*/);
    assert.equal(markdown.match(/<details><summary>Hosts: /g)?.length, 2);
    assert.match(markdown, /> \[!WARNING\]\n> - web\\-5: nothing answers there/);
    assert.doesNotMatch(markdown, /promote --plan/);
  });

  it("fits into a comment, however many hosts differ", () => {
    const [, wave] = fleetPlanDocument().waves;
    assert.ok(wave);
    const groups = Array.from({ length: 900 }, (_, index) => ({
      ...{ hosts: [`h-${index}`], text: "x", change: planDocument().change },
    }));
    const markdown = fleetPlanMarkdown(fleetPlanDocument({ waves: [{ ...wave, groups }] }));
    assert.ok(Buffer.byteLength(markdown) < 65_536);
    assert.equal(markdown.match(/<details>/g)?.length, markdown.match(/<\/details>/g)?.length);
  });
});
