import assert from "node:assert/strict";
import fc from "fast-check";
import { parse, type Taken } from "../../../cli/arguments.ts";
import { COMMANDS } from "../../../cli/commands.ts";
import { EXIT, UsageError } from "../../../cli/exit-code.ts";
import { helpOf, overview } from "../../../cli/help.ts";
import { widthOf } from "../../../cli/text.ts";

const KNOWN: Record<string, Taken> = {
  promote: { options: { stack: { type: "string" }, yes: { type: "boolean" } }, operands: [] },
  status: { options: {}, operands: [] },
  compare: { options: {}, operands: ["A", "B"] },
};

function mistake(...argv: string[]): string {
  try {
    parse(argv, KNOWN);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    assert.equal(error.code, EXIT.usage);
    return error.message;
  }
  return "";
}

describe("the arguments of the command line", () => {
  it("promote is the command when none is named", () => {
    const { name, command, flags } = parse(["--stack", "prod", "--yes"], KNOWN);
    assert.equal(name, undefined);
    assert.equal(command, KNOWN.promote);
    assert.deepEqual({ ...flags }, { stack: "prod", yes: true, operands: [] });
  });

  it("a command comes first, then what it is given", () => {
    const { name, flags } = parse(["compare", "one", "two", "--json"], KNOWN);
    assert.equal(name, "compare");
    assert.deepEqual({ ...flags }, { json: true, operands: ["one", "two"] });
  });

  it("or after options, whose values are no commands", () => {
    const { name, flags } = parse(["-C", "/srv", "--json", "compare", "one", "two"], KNOWN);
    assert.equal(name, "compare");
    assert.deepEqual({ ...flags }, { cwd: "/srv", json: true, operands: ["one", "two"] });
    assert.equal(parse(["--stack", "status", "--yes"], KNOWN).name, undefined);
  });

  it("an option means the same to every command that has it", () => {
    const meanings = Object.values(COMMANDS).flatMap(({ options }) =>
      Object.entries(options).map(([option, { type, short }]) => `${option} ${type} ${short}`),
    );
    const names = [...new Set(meanings)].map((meaning) => meaning.split(" ")[0]);
    assert.deepEqual(names, [...new Set(names)]);
  });

  it("help may be asked for in three ways, also where something else is missing", () => {
    for (const argv of [
      ["compare", "--help"],
      ["compare", "-h"],
      ["help", "compare"],
    ])
      assert.equal(parse(argv, KNOWN).flags.help, true, argv.join(" "));
    assert.equal(parse(["--help"], KNOWN).name, undefined);
    assert.equal(parse(["help"], KNOWN).flags.help, true);
  });

  for (const [argv, expected] of [
    [["statsu"], 'There is no command "statsu". Did you mean status? See: promote --help'],
    [["zzz"], 'There is no command "zzz". See: promote --help'],
    [["__proto__"], 'There is no command "__proto__". See: promote --help'],
    [["status", "--no-such"], "Unknown option '--no-such'. See: promote status --help"],
    [["status", "x"], 'status takes no arguments: what is "x"? See: promote status --help'],
    [["--yes", "status"], "Unknown option '--yes'. See: promote status --help"],
    [["--yes", "x"], 'promote takes no arguments: what is "x"? See: promote promote --help'],
    [["compare", "a"], "compare needs B. See: promote compare --help"],
    [
      ["compare", "a", "b", "c"],
      'compare takes only A B: what is "c"? See: promote compare --help',
    ],
  ] as const)
    it(`${argv.join(" ")}: is told what is wrong with it`, () => {
      assert.equal(mistake(...argv), expected);
    });

  it("whatever is given, the answer is a command or a sentence", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom("status", "--yes"))), (argv) => {
        assert.doesNotThrow(() => mistake(...argv));
      }),
    );
  });
});

describe("the help", () => {
  const paper = { paint: (text: string) => text };

  it("fits into 80 columns, and shows an example of every command", () => {
    const pages = Object.entries(COMMANDS).map(([name, command]) => helpOf(name, command, paper));
    for (const page of [...pages, overview(COMMANDS, paper)])
      for (const line of page.split("\n")) assert.ok(widthOf(line) <= 80, line);
    for (const page of pages) assert.match(page, /\n {2}\$ promote /);
  });

  it("names every option of every command", () => {
    for (const [name, command] of Object.entries(COMMANDS))
      for (const option of Object.keys(command.options))
        assert.match(
          helpOf(name, command, paper),
          new RegExp(`--${option}\\b`),
          `${name} ${option}`,
        );
  });
});
