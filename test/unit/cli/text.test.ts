import assert from "node:assert/strict";
import fc from "fast-check";
import { Output } from "../../../cli/output.ts";
import { table } from "../../../cli/table.ts";
import { age, pad, plain, shorten, widthOf, wrap } from "../../../cli/text.ts";

const anyText = fc.string({ unit: "grapheme" });

describe("text in columns", () => {
  for (const [text, width] of [
    ["abc", 3],
    ["größer", 6],
    ["日本語", 6],
    ["🚀 go", 5],
    ["e\u0301", 1],
    ["👩‍🚀", 2],
    ["한글", 4],
    ["…", 1],
    ["", 0],
  ] as const)
    it(`${JSON.stringify(text)} is ${width} columns wide`, () => {
      assert.equal(widthOf(text), width);
    });

  it("shortened text is never wider than asked for, and whole if it fits", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 40 }), (text, width) => {
        const short = shorten(text, width);
        assert.ok(widthOf(short) <= width, JSON.stringify(short));
        if (widthOf(text) <= width) assert.equal(short, text);
      }),
    );
  });

  it("padded text is as wide as asked for", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        assert.equal(widthOf(pad(shorten(text, 20), 20)), 20);
      }),
    );
  });

  it("wrapping loses no word, and breaks none", () => {
    const words = fc.array(fc.stringMatching(/^[a-z/日-]{1,30}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 10, max: 60 }), (list, width) => {
        const lines = wrap(list.join(" "), width, { indent: "  ", hanging: "    " }).split("\n");
        assert.deepEqual(
          lines.flatMap((line) => line.trim().split(" ")),
          list,
        );
        for (const line of lines)
          assert.ok(widthOf(line) <= width || !line.trim().includes(" "), line);
      }),
    );
  });

  it("text from elsewhere cannot command the terminal, nor make a second line", () => {
    assert.equal(plain("\x1b[31mred\x1b[0m\nline \x07\u202eback"), "red line  back");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.doesNotMatch(plain(text), /[\p{Cc}\u2028\u2029\u202e]/u);
      }),
    );
  });

  it("an age is one number", () => {
    const seconds = [0, 59, 60, 3599, 3600, 86399, 86400, 200 * 86400, -5];
    const ages = ["0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "200 d", "0 s"];
    assert.deepEqual(seconds.map(age), ages);
  });
});

describe("a table", () => {
  const columns = [{ title: "A" }, { title: "SUBJECT", flexible: true as const }, { title: "Z" }];
  const paint = (text: string) => text;

  it("is no wider than the terminal: the flexible column gives way, in whole characters", () => {
    const rows = [
      [{ text: "one" }, { text: `日本語 ${"x".repeat(100)}` }, { text: "last" }],
      [{ text: "twelve" }, { text: "short" }, { text: "z" }],
    ];
    for (const width of [40, 80, 200]) {
      const lines = table(columns, rows, { width, paint });
      for (const line of lines) assert.ok(widthOf(line) <= width, line);
      const at = lines.map((line) => widthOf(line.slice(0, line.lastIndexOf("  ") + 2)));
      assert.equal(new Set(at).size, 1, "the last column begins at the same place");
    }
    assert.match(table(columns, rows, { width: 40, paint })[1] ?? "", /…/);
    assert.doesNotMatch(table(columns, rows, { width: 200, paint })[1] ?? "", /…/);
  });
});

describe("the output", () => {
  class Stream {
    text = "";
    readonly isTTY: boolean;
    readonly columns = 60;
    constructor(isTTY: boolean) {
      this.isTTY = isTTY;
    }
    write(text: string): void {
      this.text += text;
    }
  }
  const RED = "\x1b[31mhello\x1b[0m";
  const spoken = (json: boolean, isTTY: boolean, env: Record<string, string> = {}) => {
    const [stdout, stderr] = [new Stream(isTTY), new Stream(isTTY)];
    const output = new Output({ json, stdout, stderr, env });
    output.progress("working");
    output.line(output.paint("hello", "red"));
    output.document({ answer: 42 });
    return { stdout: stdout.text, stderr: stderr.text };
  };

  it("with --json is one document on stdout, and all else on stderr", () => {
    const { stdout, stderr } = spoken(true, false);
    assert.deepEqual(JSON.parse(stdout), { answer: 42 });
    assert.equal(stderr, "hello\n");
  });

  it("without it is for people, and no document", () => {
    assert.deepEqual(spoken(false, false), { stdout: "hello\n", stderr: "" });
  });

  it("is coloured on a terminal only, and never with NO_COLOR", () => {
    assert.ok(spoken(false, true).stdout.includes(RED));
    for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }] as Record<string, string>[])
      assert.ok(!spoken(false, true, env).stdout.includes(RED));
    assert.equal(spoken(false, false).stdout, "hello\n");
  });

  it("wipes its progress away before anything else is said", () => {
    assert.ok(spoken(false, true).stderr.endsWith("working\r\x1b[2K"));
  });
});
