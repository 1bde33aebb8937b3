// The argument on its way into bash and back out as JSON: byte for byte, and never run.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { flatten } from "../../providers/executors/argument.ts";
import { scriptOf } from "../../providers/executors/script.ts";
import { HOSTILE, sendableText } from "../support/hostile.ts";
import { bash } from "./local-bash.ts";

const ECHO = `
for key in "\${arg_keys[@]}"; do
  json_string "$key"
  name=$REPLY
  json_string "\${arg[$key]}"
  printf '[%s,%s]\\n' "$name" "$REPLY" >&3
done`;

/** What bash has read, said back through json_string. */
async function echo(input: string | Uint8Array): Promise<[string, string][]> {
  const said = await bash(["json.sh", "lib.sh"], ECHO, input);
  assert.equal(said.stderr, "");
  return said.lines.map((line) => JSON.parse(line) as [string, string]);
}

describe("the argument of host scripts", function () {
  this.timeout(60_000);
  const well = (text: string) => Buffer.from(text).toString();

  it("arrives as it was sent, whatever it is", async () => {
    const key = sendableText.map(well).filter((text) => text !== "");
    const entries = fc.uniqueArray(fc.tuple(key, sendableText.map(well)), {
      selector: ([name]) => name,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(entries, async (pairs) => {
        const sent = pairs.map(([name, value]): [string, string] => [`o.${name}`, value]);
        assert.deepEqual(
          await echo(flatten({ o: Object.fromEntries(pairs) })),
          sorted(sent, pairs),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("arrives with every text that has broken a shell before", async () => {
    const texts = HOSTILE.map((text) => text.replaceAll("\0", ""));
    const read = await echo(flatten({ texts }));
    assert.deepEqual(
      read.map(([, value]) => value),
      [String(texts.length), ...texts],
    );
  });

  it("may be 100 kB in one value", async () => {
    for (const unit of ['"', "\\", "漢", "line $(id) `id`\n", "\u0001\u007f", "🦊'"]) {
      const text = unit.repeat(Math.ceil(100_000 / Buffer.byteLength(unit)));
      assert.deepEqual(await echo(flatten({ text })), [["text", text]]);
    }
  });

  it("keeps the bytes around those that are not UTF-8", async () => {
    const bad = fc.uint8Array({ min: 0x80, max: 0xff, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(bad, { minLength: 1, maxLength: 200 }), async (runs) => {
        const bytes = Buffer.concat(runs.flatMap((part) => [Buffer.from("x"), Buffer.from(part)]));
        const read = await echo(Buffer.concat([Buffer.from("v\t"), bytes, Buffer.from("\n")]));
        const text = read[0]?.[1] ?? "";
        assert.equal([...text].filter((letter) => letter === "x").length, runs.length);
        assert.equal(Buffer.from(text).toString(), text);
      }),
      { numRuns: 30 },
    );
  });

  it("is never run, nor taken as arithmetic or as a pattern", async () => {
    const directory = mkdtempSync(join(tmpdir(), "canary-"));
    const canary = join(directory, "was-run");
    const attacks = [
      `$(touch ${canary})`,
      `\`touch ${canary}\``,
      `x[$(touch ${canary})]`,
      `; touch ${canary}`,
      `'; touch ${canary}; '`,
      `*"$(touch ${canary})"*`,
    ];
    try {
      for (const text of attacks) {
        await echo(flatten({ [text]: text, list: [text], nested: { [text]: text } }));
        for (const key of ["seen", "waitSeconds", "id"]) {
          const argument = { id: "job", seen: 0, waitSeconds: 0, [key]: text };
          const said = await bash([], scriptOf("follow"), flatten(argument));
          assert.match(said.stdout, /^\{"error":\{"code":"bad-argument"/);
        }
        const length = await bash([], scriptOf("references"), `paths.length\t${text}\n`);
        assert.match(length.stdout, /"code":"bad-argument"/);
      }
      assert.equal(existsSync(canary), false);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("is refused with a sentence when it is not what a command needs", async () => {
    const missing = await bash([], scriptOf("follow"), "");
    assert.deepEqual(JSON.parse(missing.stdout), {
      error: {
        code: "bad-argument",
        message: "The argument [id] is missing.",
        hint: "",
      },
    });
    const noTab = await bash([], scriptOf("follow"), "no tab\n");
    assert.match(noTab.stdout, /has a line without a tab/);
    for (const path of [
      "-rf",
      "/etc/passwd",
      "/nix/store/x",
      `/nix/store/${"a".repeat(32)}-x;id`,
    ]) {
      const said = await bash([], scriptOf("references"), flatten({ paths: [path] }));
      assert.match(said.stdout, /\[paths\.0\] is not a store path/, path);
      const good = `/nix/store/${"a".repeat(32)}-x`;
      const lines = await bash([], scriptOf("missing"), flatten({ paths: `${good}\n${path}` }));
      assert.match(lines.stdout, /\[paths\] is not a store path/, path);
    }
  });
});

// Object.entries puts keys that are numbers first; bash keeps the order that it was sent.
function sorted(sent: [string, string][], pairs: [string, string][]): [string, string][] {
  const order = Object.keys(Object.fromEntries(pairs));
  return order.map((name) => sent.find(([key]) => key === `o.${name}`) ?? ["", ""]);
}
