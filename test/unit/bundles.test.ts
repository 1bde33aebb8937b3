import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

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

  it("are all commands, or parts of one", () => {
    const used = new Set(commands.flatMap(({ parts }) => parts));
    assert.deepEqual(
      files.filter((file) => !used.has(file) && !TOOLS.includes(file)),
      [],
    );
  });
});
