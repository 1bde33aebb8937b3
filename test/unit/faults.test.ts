import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

describe("docs/faults.md", () => {
  const table = sections(readFileSync(join(ROOT, "docs/faults.md"), "utf8"));
  const tests = Object.fromEntries(
    readdirSync(join(ROOT, "test/faults"))
      .filter((file) => file.endsWith(".test.ts"))
      .map((file) => [file, titles(readFileSync(join(ROOT, "test/faults", file), "utf8"))]),
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
  const parts = document.split(/^## /m).slice(1);
  return Object.fromEntries(
    parts.map((part) => [
      /\(\.\.\/test\/faults\/(\S+\.test\.ts)\)/.exec(part)?.[1] ?? part.slice(0, 40),
      [...part.matchAll(/^\| ([A-Z]\d\d .*) \|$/gm)].map(([, row = ""]) => row.split(" | ")),
    ]),
  );
}

function titles(source: string): string[] {
  return [...source.matchAll(/\bfault\(\s*"([^"]*)"/g)].map(([, title = ""]) => title);
}

function faultOf([fault = ""]: readonly string[]): string {
  return fault;
}
