import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { scriptOf, withoutComments } from "../../providers/executors/script.ts";

const HOST = fileURLToPath(new URL("../../host/", import.meta.url));
/** Puts a bundle together by hand, for shellcheck and the curious. */
const TOOLS = ["bundle.sh"];

describe("the scripts of hosts", () => {
  const files = globSync("*.sh", { cwd: HOST }).map((file) => basename(file));
  const text = (file: string) => readFileSync(`${HOST}${file}`, "utf8");
  const needs = (file: string) =>
    text(file)
      .match(/^# needs: (.*)/)?.[1]
      ?.split(" ");
  const commands = files.flatMap((file) => {
    const parts = needs(file);
    return parts === undefined ? [] : [{ file, parts: [...parts, file] }];
  });

  it("define no function twice in what one command brings: bash would take the last one", () => {
    assert.ok(commands.length > 10);
    for (const { file, parts } of commands) {
      const names = parts.flatMap((part) =>
        [...text(part).matchAll(/^([a-z_0-9]+)\(\)/gm)].map(([, name]) => name),
      );
      const twice = names.filter((name, index) => names.indexOf(name) !== index);
      assert.deepEqual(twice, [], file);
    }
  });

  it("are sent without comments and empty lines, and are the same to bash", () => {
    const whole = files.map(text).join("\n");
    const sent = withoutComments(whole);
    assert.doesNotMatch(sent, /^[ \t]*#|^\n/m);
    assert.equal(asParsed(sent), asParsed(whole));
    assert.equal(
      scriptOf("follow"),
      withoutComments(needs("follow.sh")?.concat("follow.sh").map(text).join("\n") ?? ""),
    );
  });

  it("are all commands, or parts of one", () => {
    const used = new Set(commands.flatMap(({ parts }) => parts));
    assert.deepEqual(
      files.filter((file) => !used.has(file) && !TOOLS.includes(file)),
      [],
    );
  });
});

/** As bash has understood it, and without the comments in texts for awk and Nix. */
function asParsed(script: string): string {
  const text = `whole() {\n${script}\n}\ndeclare -f whole`;
  const options = { input: text, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync("bash", ["--norc"], options);
  assert.equal(status, 0, stderr);
  return stdout.replace(/^[ \t]*(#.*)?\n/gm, "");
}
