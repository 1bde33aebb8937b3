import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DOCUMENT, document } from "../../nixos/document.ts";

describe("docs/nixos-modules.md", () => {
  let made: string;

  before("made anew", () => {
    made = document();
  });

  it("is current", () => {
    const there = readFileSync(DOCUMENT, "utf8");
    assert.equal(there, made, "run: npm run document");
  });

  it("describes every option in whole sentences", () => {
    const rows = made.split("\n").filter((line) => line.startsWith("| `"));
    assert.ok(rows.length > 80, `${rows.length} options`);
    for (const row of rows) assert.match(row, /^\| `[^|]+` \| [A-Z][^|]*[.!] \| [^|]/);
  });

  it("says types, defaults and examples as the options have them", () => {
    assert.match(
      made,
      /\| `keepDays` \| Generations that are older .* \| positive integer, meaning >0 \| `14` \|/,
    );
    assert.match(made, /\| `<name>\.hostPort` \| .* Such as `8081`\. \| null or 16 bit unsigned/);
    assert.match(
      made,
      /\| `name` \| Its name at GitHub\. \| .* \| `config\.networking\.hostName` \|/,
    );
  });
});
