import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { type Argument, flatten } from "../../providers/executors/argument.ts";
import { decodeLines } from "../support/argument-decoder.ts";
import { HOSTILE, sendableText } from "../support/hostile.ts";

// `length` marks a list on the wire, and dots join the keys of objects.
const key = sendableText
  .map((text) => text.replaceAll(".", ""))
  .filter(
    (text) => text !== "" && text !== "length" && text !== "__proto__" && !/^\d+$/.test(text),
  );

const { argument } = fc.letrec<{ argument: Argument; object: { [key: string]: Argument } }>(
  (tie) => ({
    argument: fc.oneof(
      { maxDepth: 4 },
      sendableText,
      fc.boolean(),
      fc.integer(),
      fc.constantFrom(null, undefined),
      fc.array(tie("argument"), { maxLength: 4 }),
      tie("object"),
    ),
    object: fc.dictionary(key, tie("argument"), { maxKeys: 4 }),
  }),
);
const argumentObject = fc.dictionary(key, argument, { maxKeys: 5 });

type Tree = Map<string, Tree | string>;

/** Puts the lines together again: what a host would know of the argument. */
function rebuild(lines: string): unknown {
  const root: Tree = new Map();
  for (const [path, value] of decodeLines(lines)) {
    const keys = path.split(".");
    let at = root;
    for (const step of keys.slice(0, -1)) {
      const next = at.get(step) ?? new Map();
      assert.ok(next instanceof Map, `${path} goes through a value`);
      at.set(step, next);
      at = next;
    }
    at.set(keys.at(-1) ?? "", value);
  }
  return fromTree(root);
}

function fromTree(tree: Tree | string | undefined): unknown {
  if (!(tree instanceof Map)) return tree;
  const length = tree.get("length");
  if (typeof length === "string")
    return Array.from({ length: Number(length) }, (_, index) => fromTree(tree.get(String(index))));
  return Object.fromEntries([...tree].map(([name, item]) => [name, fromTree(item)]));
}

/** What can be known of an argument: scalars as text, nothing of what is null or empty. */
function knowable(value: Argument): unknown {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.map(knowable);
  if (typeof value !== "object") return String(value);
  const members = Object.entries(value).flatMap(([name, item]) => {
    const known = knowable(item);
    return known === undefined ? [] : [[name, known] as const];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

describe("arguments of host scripts", () => {
  it("are lines of a path, a tab and a value", () => {
    const lines = flatten({
      id: "a",
      units: ["x", "y"],
      confirm: true,
      n: 1.5,
      no: null,
      deep: { a: { b: "c" } },
    });
    assert.equal(
      lines,
      "id\ta\nunits.length\t2\nunits.0\tx\nunits.1\ty\nconfirm\ttrue\nn\t1.5\ndeep.a.b\tc\n",
    );
  });

  it("escape what would end a line or a key, and the escape itself", () => {
    assert.equal(flatten({ a: "\\n\n\t\r" }), "a\t\\\\n\\n\\t\\r\n");
  });

  it("of an empty list is its length alone", () => {
    assert.equal(flatten({ probes: [] }), "probes.length\t0\n");
  });

  it("come back as they went, whatever text is in them", () => {
    fc.assert(
      fc.property(argumentObject, (given) => {
        assert.deepEqual(rebuild(flatten(given)), knowable(given) ?? {});
      }),
      { numRuns: 500 },
    );
  });

  it("have one line for each value, so no text can add a key", () => {
    fc.assert(
      fc.property(fc.dictionary(key, sendableText), (given) => {
        const lines = flatten(given);
        assert.equal(lines.split("\n").length - 1, Object.keys(given).length);
        assert.doesNotMatch(lines, /\r/);
      }),
    );
  });

  it("with a NUL character are refused, which no host script could read", () => {
    assert.throws(() => flatten({ a: "x\0y" }), /NUL/);
    assert.throws(() => flatten({ "x\0y": "a" }), /NUL/);
  });

  it("are read by the hosts' own lib.sh as they were meant, and nothing in them is run", () => {
    const texts = [
      ...HOSTILE.filter((text) => !text.includes("\0")),
      ...fc.sample(sendableText, 200),
      "",
    ];
    const given = Object.fromEntries(texts.map((text, index) => [`texts-${index}`, text]));
    const keyed = Object.fromEntries(
      texts.filter((text) => text !== "").map((text) => [`key ${text}`, "here"]),
    );
    const library = readFileSync(new URL("../../host/lib.sh", import.meta.url), "utf8");
    const print = `for key in "\${arg_keys[@]}"; do printf '%s\\0%s\\0' "$key" "\${arg[$key]}" >&3; done`;
    const bash = spawnSync("bash", ["-c", `${library}\n${print}`], {
      input: flatten({ ...given, ...keyed }),
    });
    assert.equal(bash.status, 0, bash.stderr.toString());
    const words = bash.stdout.toString().split("\0").slice(0, -1);
    const read = Object.fromEntries(
      words.flatMap((word, i) => (i % 2 === 0 ? [[word, words[i + 1]]] : [])),
    );
    assert.deepEqual(read, { ...given, ...keyed });
  });
});
