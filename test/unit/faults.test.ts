import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isChosen, SHORT_LIST } from "../faults/choice.ts";

const ROOT = join(import.meta.dirname, "../..");

describe("docs/faults.md", () => {
  const document = readFileSync(join(ROOT, "docs/faults.md"), "utf8");
  const table = sections(document);
  const tests = Object.fromEntries(
    readdirSync(join(ROOT, "test/faults"))
      .filter((file) => file.endsWith(".test.ts"))
      .map((file) => [file, titles(sourceOf(file))]),
  );

  it("has a test for every row, and a row for every test", () => {
    assert.deepEqual(
      Object.fromEntries(Object.entries(table).map(([file, rows]) => [file, rows.map(faultOf)])),
      tests,
    );
  });

  it("fills every cell of its rows", () => {
    const rows = Object.values(table).flat();
    for (const cells of rows) {
      assert.equal(cells.length, 5, faultOf(cells));
      for (const cell of cells) assert.notEqual(cell, "", faultOf(cells));
    }
  });

  describe("over AWS SSM", () => {
    const [, part = ""] = document.split("## Over AWS SSM");

    it("lacks the rows that say so, with their reasons, and no other", () => {
      const missing = [...part.matchAll(/^\| ([A-Z]\d\d) \| not run: (.*) \|$/gm)];
      const said = Object.fromEntries(missing.map(([, row = "", why = ""]) => [row, why]));
      const sources = Object.keys(tests).map(sourceOf).join("");
      const declared = [
        ...sources.matchAll(/\bfault\(\s*"(\S+)[^"]*",\s*\{[^}]*sshOnly: "([^"]*)"/g),
      ];
      assert.deepEqual(
        said,
        Object.fromEntries(declared.map(([, row = "", why = ""]) => [row, why])),
      );
      assert.equal(declared.length, sources.split("sshOnly:").length - 1, "one was not read");
    });

    it("has the short list that every run has", () => {
      const [, list = ""] = /has the rows ([^(]*)/.exec(part) ?? [];
      assert.deepEqual(list.match(/\b[A-Z](\d\d)?\b/g), SHORT_LIST);
      const titlesOfAll = Object.values(tests).flat();
      for (const start of SHORT_LIST)
        assert.ok(
          titlesOfAll.some((title) => title.startsWith(start)),
          start,
        );
    });

    it("has all other rows, and over ssh there is none that it lacks", () => {
      const chosen = (executor: string, rows?: string, sshOnly?: string) =>
        isChosen("P01 a unit", sshOnly === undefined ? {} : { sshOnly }, { executor, rows });
      assert.deepEqual([chosen("awsSsm"), chosen("awsSsm", "short")], [true, false]);
      assert.deepEqual(
        [chosen("ssh", "short", "why"), chosen("awsSsm", undefined, "why")],
        [true, false],
      );
    });
  });

  it("has at least 40 rows, each with a number of its own", () => {
    const numbers = Object.values(table).flatMap((rows) =>
      rows.map((row) => faultOf(row).slice(0, 3)),
    );
    assert.ok(numbers.length >= 40, `${numbers.length}`);
    assert.equal(new Set(numbers).size, numbers.length);
  });
});

/** Rows by the test that their section names, each a list of cells. */
function sections(document: string): Record<string, string[][]> {
  const parts = document
    .split(/^## /m)
    .slice(1)
    .filter((part) => part.includes("../test/faults/"));
  return Object.fromEntries(
    parts.map((part) => [
      /\(\.\.\/test\/faults\/(\S+\.test\.ts)\)/.exec(part)?.[1] ?? part.slice(0, 40),
      [...part.matchAll(/^\| ([A-Z]\d\d .*) \|$/gm)].map(([, row = ""]) => row.split(" | ")),
    ]),
  );
}

function sourceOf(file: string): string {
  return readFileSync(join(ROOT, "test/faults", file), "utf8");
}

function titles(source: string): string[] {
  return [...source.matchAll(/\bfault\(\s*"([^"]*)"/g)].map(([, title = ""]) => title);
}

function faultOf([fault = ""]: readonly string[]): string {
  return fault;
}
