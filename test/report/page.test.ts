import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import type { ReportDocument } from "../../cli/report/document.ts";
import { reportPage } from "../../cli/report/page.ts";
import { hostileReport, reportDocument } from "../support/report-samples.ts";
import { Browser, type Looking } from "./browser.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe answers, as far as it is looked at. */
interface Findings {
  readonly violations: { id: string; nodes: { target: string[]; failureSummary: string }[] }[];
  readonly passes: { id: string; nodes: object[] }[];
}

describe("the page of a report", function () {
  this.timeout(60_000);
  let directory: string;
  let browser: Browser;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "report-"));
    browser = new Browser();
  });
  after(async () => {
    await browser.close();
    rmSync(directory, { recursive: true });
  });

  function open(document: ReportDocument = reportDocument(), looking: Looking = {}) {
    return openMarkup(reportPage(document), looking);
  }

  function openMarkup(markup: string, looking: Looking = {}) {
    const file = join(directory, "report.html");
    writeFileSync(file, markup);
    return browser.open(file, looking);
  }

  /** With everything open, as a reader would leave it. */
  async function openAll(page: Page): Promise<void> {
    await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
  }

  async function audit(page: Page, rules?: string[]): Promise<Findings> {
    await page.evaluate(AXE);
    const options = rules === undefined ? {} : { runOnly: { type: "rule", values: rules } };
    return (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as Findings;
  }

  function told({ violations }: Findings): string[] {
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`),
    );
  }

  it("asks for nothing over the network, and breaks no rule of its own policy", async () => {
    const { page, requests, complaints } = await open();
    await page.waitForTimeout(300);
    assert.deepEqual(requests, []);
    assert.deepEqual(complaints, []);
    assert.equal(await page.locator("script, link, img, iframe, object, embed").count(), 0);
    const colour = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    assert.equal(colour, "rgb(246, 247, 248)", "its style holds");
  });

  it("would let nothing in that somebody puts there", async () => {
    const foreign = `<script>document.title = "taken"</script><img src="http://127.0.0.1:9/a.png"><p style="color:red">x</p>`;
    const markup = reportPage(reportDocument()).replace("<main", `${foreign}<main`);
    const { page, complaints } = await openMarkup(markup);
    await page.waitForTimeout(300);
    assert.notEqual(await page.title(), "taken");
    assert.equal(complaints.filter((one) => /Content Security Policy/.test(one)).length, 3);
  });

  for (const scheme of ["light", "dark"] as const) {
    for (const width of [320, 1100])
      it(`has nothing that axe finds fault with, ${scheme}, ${width} pixels wide`, async () => {
        const { page } = await open(reportDocument(), { scheme, width });
        await openAll(page);
        assert.deepEqual(told(await audit(page)), []);
      });

    it(`has a contrast of at least 4.5 to 1 everywhere (${scheme})`, async () => {
      const { page } = await open(reportDocument(), { scheme });
      await openAll(page);
      const { violations, passes } = await audit(page, ["color-contrast"]);
      assert.deepEqual(violations, []);
      assert.ok((passes[0]?.nodes.length ?? 0) > 100, "it was measured");
      // Of text in a drawing axe knows no ground: it is that of its area.
      const ratios = (await page.evaluate(CONTRASTS)) as number[];
      assert.ok(ratios.length > 10);
      assert.ok(Math.min(...ratios) >= 4.5, `${Math.min(...ratios)}`);
    });
  }

  it("would be found out if a contrast were too low", async () => {
    const { page } = await open();
    await page.evaluate(
      "for (const one of document.querySelectorAll('p')) one.style.setProperty('color', '#c8ccd0')",
    );
    assert.notDeepEqual(told(await audit(page, ["color-contrast"])), []);
  });

  for (const [what, document] of [
    ["a usual one", reportDocument],
    ["one with hostile text", hostileReport],
  ] as const)
    for (const width of [320, 375, 768])
      it(`never scrolls sideways: ${what}, ${width} pixels wide`, async () => {
        const { page } = await open(document(), { width });
        await openAll(page);
        const wide = (await page.evaluate(
          "[document.documentElement.scrollWidth, ...[...document.querySelectorAll('.wide')].map((one) => one.scrollWidth - one.clientWidth)]",
        )) as number[];
        const [page_ = 0, ...tables] = wide;
        assert.ok(page_ <= width, `the page is ${page_} wide`);
        assert.deepEqual(
          tables.filter((more) => more > 0),
          [],
          "tables fit, too",
        );
      });

  it("is walked through by keyboard: every stop is seen, and each part can be opened", async () => {
    const { page } = await open();
    const stops: string[] = [];
    for (let step = 0; step < 40; step += 1) {
      await page.keyboard.press("Tab");
      const stop = (await page.evaluate(STOP)) as { what: string; seen: boolean } | null;
      if (stop === null) break;
      assert.ok(stop.seen, `the focus on ${stop.what} cannot be seen`);
      if (stops.length > 0 && stop.what === stops[0]) break;
      stops.push(stop.what);
    }
    assert.deepEqual(stops, [
      "A Skip to the hosts",
      "A choiros-prod committed",
      "A choiros-grind rolled back",
      "SUMMARY The same as a table",
      "SUMMARY The same as a table",
      "PRE Diagnostics of choiros-grind",
    ]);
    await page.locator("summary").first().focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("details[open]").count(), 1);
    await page.locator(".skip").focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate("document.activeElement.id"), "content");
  });

  it("tells a screen reader what there is: landmarks, headings in order, tables with captions", async () => {
    const { page } = await open();
    const tree = await page.locator("body").ariaSnapshot();
    for (const part of [
      /- banner:/,
      /- navigation "Hosts":/,
      /- main:/,
      /- contentinfo:/,
      /- region "choiros-prod":/,
      /- region "choiros-grind":/,
      /- region "Diagnostics of choiros-grind"/,
      /- heading "hypervisor 1\.5\.0; .*" \[level=1\]/,
      /- '?img "Sizes of \d+ packages as areas, .* in all\. The largest: linux with 131\.0 MiB, /,
    ])
      assert.match(tree, part);
    const levels = (await page.evaluate(
      "[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))",
    )) as number[];
    assert.equal(levels.filter((level) => level === 1).length, 1);
    for (const [index, level] of levels.entries())
      assert.ok(
        level <= (levels[index - 1] ?? 0) + 1,
        `a heading ${level} after ${levels[index - 1]}`,
      );
    assert.deepEqual(
      await page.evaluate(
        "[...document.querySelectorAll('table')].filter((one) => !one.caption?.textContent || !one.querySelector('th[scope=col]') || !one.querySelector('th[scope=row]')).length",
      ),
      0,
    );
    assert.ok((await page.locator("table").count()) >= 10);
  });

  it("says in a table all that the drawing shows", async () => {
    const { page } = await open();
    const drawn = await page.locator("#host-1 svg.broad svg > title").allTextContents();
    await openAll(page);
    const rows = await page.locator("#host-1 details tbody tr").allTextContents();
    assert.ok(drawn.length > 20);
    for (const title of drawn.filter((one) => !/smaller ones/.test(one))) {
      const [name = ""] = title.split(" ");
      assert.ok(
        rows.some((row) => row.startsWith(name)),
        title,
      );
    }
  });

  it("takes hostile text for text: no element, no address, nothing that runs", async () => {
    const shape = async (document: ReportDocument) => {
      const { page, requests, complaints } = await open(document);
      let alerted = false;
      page.on("dialog", () => {
        alerted = true;
      });
      await page.waitForTimeout(300);
      const counts = await page.evaluate(
        "Object.fromEntries(['script', 'img', 'style', 'a[href]', '[onerror]', '[onload]', 'iframe', 'base', 'form'].map((one) => [one, document.querySelectorAll(one).length]))",
      );
      const text = await page.locator("body").innerText();
      return { counts, requests, complaints, alerted, text };
    };
    const usual = await shape(reportDocument());
    const hostile = await shape(hostileReport());
    assert.deepEqual(hostile.counts, usual.counts);
    assert.deepEqual([hostile.requests, hostile.complaints, hostile.alerted], [[], [], false]);
    assert.match(hostile.text, /<script>alert\("x"\)<\/script><img src=/, "it can be read");
    assert.ok(!hostile.text.includes("\u202e") && !hostile.text.includes("\u001b"));
  });

  it("shows only what there is to know", async () => {
    const unknown = reportDocument().hosts.map((host) => ({
      ...host,
      ...{ record: null, verdict: null, contents: null, history: [], error: "no answer" },
    }));
    const { page } = await open({ ...reportDocument(), hosts: unknown });
    assert.match(await page.locator("#host-1").innerText(), /It could not be asked\. no answer/);
    assert.deepEqual(told(await audit(page)), []);
  });
});

/** Ratios of the text in areas to the areas, as WCAG 2 has it. */
const CONTRASTS = `(() => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return [...document.querySelectorAll('.treemap text')].map((text) => {
    const ground = light(getComputedStyle(text.parentElement.querySelector('rect')).fill);
    const ink = light(getComputedStyle(text).fill);
    return (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
  });
})()`;

const STOP = `(() => {
  const at = document.activeElement;
  if (at === document.body || at === null) return null;
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  const name = at.getAttribute('aria-label') ?? at.textContent.trim().replace(/\\s+/g, ' ');
  return { what: at.tagName + ' ' + name, seen: style.outlineStyle !== 'none' && box.width > 0 && box.bottom > 0 && box.top < innerHeight };
})()`;
