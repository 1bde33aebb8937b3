import assert from "node:assert/strict";
import fc from "fast-check";
import { Output } from "../../../cli/output.ts";
import { chooseRecord, sameRelease } from "../../../cli/report/choice.ts";
import { saidUnits, unitsOf } from "../../../cli/report/facts.ts";
import { html } from "../../../cli/report/html.ts";
import { reportMarkdown } from "../../../cli/report/markdown.ts";
import { reportPage } from "../../../cli/report/page.ts";
import { squarify } from "../../../cli/report/squarify.ts";
import { reportLines } from "../../../cli/report/text.ts";
import type { History } from "../../../contract/ledger.ts";
import {
  failedReport,
  HOSTILE,
  hostileReport,
  RECORD,
  reportDocument,
} from "../../support/report-samples.ts";
import { OTHER_REV, REV } from "../../support/samples.ts";

describe("a treemap", () => {
  const weights = fc
    .array(fc.double({ min: 0.01, max: 1000, noNaN: true }), { minLength: 1, maxLength: 60 })
    .map((all) => all.sort((a, b) => b - a));
  const within = { x: 0, y: 0, width: 1000, height: 400 };

  it("gives each its share, inside, and none over another", () => {
    fc.assert(
      fc.property(weights, (given) => {
        const areas = squarify(given, within);
        const total = given.reduce((sum, weight) => sum + weight, 0);
        assert.equal(areas.length, given.length);
        for (const [index, area] of areas.entries()) {
          const share = (given[index] ?? 0) / total;
          assert.ok(Math.abs(area.width * area.height - share * 400_000) < 0.5);
          assert.ok(
            area.x >= -0.01 &&
              area.y >= -0.01 &&
              area.x + area.width <= 1000.01 &&
              area.y + area.height <= 400.01,
          );
          for (const other of areas.slice(0, index)) {
            const across =
              Math.min(area.x + area.width, other.x + other.width) - Math.max(area.x, other.x);
            const down =
              Math.min(area.y + area.height, other.y + other.height) - Math.max(area.y, other.y);
            assert.ok(across < 0.01 || down < 0.01);
          }
        }
      }),
    );
  });

  it("makes nearly squares of equal weights", () => {
    for (const { width, height } of squarify(
      Array.from({ length: 40 }, () => 1),
      within,
    ))
      assert.ok(Math.max(width / height, height / width) < 2);
  });
});

describe("a report", () => {
  const rolledBack = {
    ...RECORD,
    id: "activate-2",
    outcome: "rolled-back" as const,
    release: { rev: OTHER_REV, subject: "" },
  };
  const history: History = {
    records: [rolledBack, RECORD],
    damaged: 0,
    releases: [],
    manifest: null,
  };

  it("is about the last transaction, or the one that is named", () => {
    assert.equal(chooseRecord(history, undefined).id, "activate-2");
    assert.equal(chooseRecord(history, "0").id, RECORD.id);
    assert.equal(chooseRecord(history, REV.slice(0, 7)).id, RECORD.id);
    assert.equal(chooseRecord(history, RECORD.id).id, RECORD.id);
    assert.throws(
      () => chooseRecord(history, "1"),
      /no transaction 1 on record.*f1dd4a000000, 9ace77e00000/,
    );
    assert.throws(() => chooseRecord({ ...history, records: [] }, undefined), /no record/);
    assert.equal(sameRelease(history, rolledBack)?.id, "activate-2");
    assert.equal(sameRelease({ ...history, records: [RECORD] }, rolledBack), null);
  });

  it("takes what a switch did to units from the record, else from what the switch has said", () => {
    assert.deepEqual(
      unitsOf({ ...failedReport(), record: RECORD }).map(({ unit }) => unit),
      RECORD.units?.changed.map(({ unit }) => unit),
    );
    const said =
      "stopping the following units: a.service, b.service\nstarting the following units: a.service\nthe following new units were started: c.service\n";
    assert.deepEqual(
      saidUnits(said).map(({ unit, change }) => `${unit} ${change}`),
      ["a.service restarted", "b.service stopped", "c.service started"],
    );
  });

  it("tells users and files below /etc in each of its shapes", () => {
    const document = reportDocument();
    const wide = new Output({ stdout: { isTTY: false, write: () => {} } });
    const said = reportLines(document, wide).join("\n");
    assert.match(
      said,
      /users +new alice; changed root \(password\); gone carol; groups: changed wheel/,
    );
    assert.match(said, /\/etc +new caddy\/caddy_config; changed ssh\/ssh_config; gone issue/);
    assert.match(reportMarkdown(document), /\| user \| `root` \| changed: password \|/);
    assert.match(
      reportPage(document),
      /<th scope="row">wheel<\/th><td>group<\/td><td>changed: \+alice<\/td>/,
    );
  });

  it("fits into the summary of a job, whatever is in it", () => {
    const said = reportMarkdown(hostileReport());
    // In code and in a log it is text as it stands.
    const rendered = said.replace(/^```text\n[\s\S]*?\n```$/gm, "").replace(/`[^`\n]*`/g, "");
    assert.doesNotMatch(rendered, /<(?!\/?(details|summary)>)/);
    assert.ok(!said.includes("\u202e") && !said.includes("\u001b"));
    assert.match(reportMarkdown(reportDocument()), /\| choiros\\-grind \| \*\*rolled back\*\* \|/);
  });

  it("escapes all text, in and between elements", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.constant(HOSTILE)), (given) => {
        const { markup } = html`<p title="${given}">${[given, null, html`<b>${given}</b>`]}</p>`;
        assert.match(markup, /^<p title="[^"<>]*">[^<>]*<b>[^<>]*<\/b><\/p>$/u);
      }),
    );
  });
});
