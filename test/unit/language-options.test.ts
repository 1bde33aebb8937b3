import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

const OPTIONS = new URL("../../setup/language-nodejs/options.sh", import.meta.url).pathname;
const SHIPPED = new URL("../../Pulumi.yaml", import.meta.url).pathname;

describe("the language host of the built toolchain", () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(`${tmpdir()}/nixos-promote-test-`);
    for (const name of ["bin", "libexec", "project"]) mkdirSync(`${directory}/${name}`);
    copyFileSync(OPTIONS, `${directory}/bin/pulumi-language-nodejs`);
    const host = '#!/bin/sh\nprintf "%s\\n" "$@"\n';
    writeFileSync(`${directory}/libexec/pulumi-language-nodejs`, host, { mode: 0o755 });
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** What the host itself is started with. */
  function started(as = `${directory}/bin/pulumi-language-nodejs`): string[] {
    const cwd = `${directory}/project`;
    const argv = [as, "127.0.0.1:1"];
    return execFileSync("sh", argv, { cwd, encoding: "utf8" }).trimEnd().split("\n");
  }

  it("is told the options of our Pulumi.yaml", () => {
    copyFileSync(SHIPPED, `${directory}/project/Pulumi.yaml`);
    const nodeargs =
      "--disable-warning=ExperimentalWarning --max-semi-space-size=16 --import ./components/look-ahead.ts";
    assert.deepEqual(started(), ["-typescript=false", `-nodeargs=${nodeargs}`, "127.0.0.1:1"]);
  });

  it("is found from a link as well", () => {
    const link = `${directory}/project/host`;
    symlinkSync(`${directory}/bin/pulumi-language-nodejs`, link);
    assert.deepEqual(started(link), started());
  });

  it("compiles TypeScript where the project does not say otherwise, or is none", () => {
    const expected = ["-typescript=true", "-nodeargs=", "127.0.0.1:1"];
    assert.deepEqual(started(), expected);
    writeFileSync(`${directory}/project/Pulumi.yaml`, "name: empty\nruntime: nodejs\n");
    assert.deepEqual(started(), expected);
  });
});
