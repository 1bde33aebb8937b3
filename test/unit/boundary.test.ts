import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROGRAM = [
  ...[
    "start.ts",
    "index.ts",
    "settings.ts",
    "cloud.ts",
    "cloud-settings.ts",
    "fleet.ts",
    "fleet-settings.ts",
  ],
  "components/**/*.ts",
];
const PROVIDER = ["providers/**/*.ts"];
const COMMANDS = ["cli/**/*.ts"];
const ROOTS = ["contract/**/*.ts", ...PROGRAM, ...PROVIDER, ...COMMANDS];

function filesOf(patterns: readonly string[]): string[] {
  return globSync([...patterns], { cwd: ROOT }).sort();
}

function textOf(file: string): string {
  return readFileSync(resolve(ROOT, file), "utf8");
}

/** What a file imports that is still there at run time: files by their path from the root, packages by name. */
function importsOf(file: string, text = textOf(file)): string[] {
  const statement =
    /^(?:import|export)\s+(?!type\b)(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;
  return [...text.matchAll(statement)].map(([, named, dynamic]) => {
    const from = named ?? dynamic ?? "";
    return from.startsWith(".") ? relative(ROOT, resolve(ROOT, dirname(file), from)) : from;
  });
}

function offences(patterns: readonly string[], isForbidden: (from: string) => boolean): string[] {
  return filesOf(patterns).flatMap((file) =>
    importsOf(file)
      .filter(isForbidden)
      .map((from) => `${file} imports ${from}`),
  );
}

describe("the boundary between the program's process and the provider's", () => {
  it("is watched: the files are found, and so are their imports", () => {
    for (const pattern of ROOTS) assert.ok(filesOf([pattern]).length > 0, pattern);
    assert.ok(importsOf("index.ts").includes("components/activation.ts"));
    assert.ok(importsOf("components/host.ts").includes("components/pulumi.ts"));
    const text = [
      'import { a } from "../providers/a.ts";',
      'import {\n  b,\n  type C,\n} from "../providers/b.ts";',
      'import "../providers/c.ts";',
      'const d = await import("../providers/d.ts");',
      'export * from "../providers/e.ts";',
      'import type { F } from "../providers/f.ts";',
    ].join("\n");
    const found = ["a", "b", "c", "d", "e"].map((name) => `providers/${name}.ts`);
    assert.deepEqual(importsOf("components/x.ts", text), found);
  });

  it("no file of the program imports the provider", () => {
    assert.deepEqual(
      offences(PROGRAM, (from) => from.startsWith("providers/")),
      [],
    );
  });

  it("no file of the provider imports the program", () => {
    const isProgram = (from: string) => from.startsWith("components/") || PROGRAM.includes(from);
    assert.deepEqual(offences(PROVIDER, isProgram), []);
  });

  it("no file of either imports the command line, which imports no component", () => {
    assert.deepEqual(
      offences([...PROGRAM, ...PROVIDER], (from) => from.startsWith("cli/")),
      [],
    );
    assert.deepEqual(
      offences(COMMANDS, (from) => /^(components\/|index\.ts|@pulumi)/.test(from)),
      [],
    );
  });

  it("the command line loads nothing but itself until a command runs: --help is quick", () => {
    const loaded = new Set<string>();
    const load = (file: string) => {
      if (loaded.has(file)) return;
      loaded.add(file);
      const text = textOf(file).replaceAll(/\bimport\(/g, "later(");
      for (const from of importsOf(file, text)) if (from.endsWith(".ts")) load(from);
      for (const from of importsOf(file, text).filter((name) => !name.endsWith(".ts")))
        assert.match(from, /^node:/, `${file} imports ${from}`);
    };
    load("cli/main.ts");
    assert.ok(loaded.has("cli/commands.ts"));
    assert.deepEqual(
      [...loaded].filter((file) => !file.startsWith("cli/") || file.startsWith("cli/commands/")),
      [],
    );
  });

  it("no file imports the whole of Pulumi, which takes 0.3 s to load", () => {
    assert.deepEqual(
      offences(ROOTS, (from) => from === "@pulumi/pulumi" || from === "@pulumi/pulumi/index.js"),
      [],
    );
  });

  it("the SDKs of clouds are imported where a stack has something there, and nowhere else", () => {
    const importers = (sdk: string) =>
      filesOf(ROOTS).filter((file) => importsOf(file).some((from) => from.startsWith(sdk)));
    const isLazy = (file: string) =>
      file.startsWith("components/aws/") || /^components\/traffic\/(?!index)/.test(file);
    assert.deepEqual(
      importers("@pulumi/aws").filter((file) => !isLazy(file)),
      [],
    );
    assert.deepEqual(importers("@ovhcloud/pulumi-ovh"), [
      "components/ovh/host.ts",
      "components/traffic/ovh-ip.ts",
      "components/traffic/ovh-record.ts",
    ]);
    // Dynamically, as test/program/lazy.test.ts measures.
    assert.deepEqual(importers("@pulumi/command"), [
      "components/hooks.ts",
      "components/install.ts",
    ]);
  });

  it("what both share imports nothing but zod, and hashes", () => {
    const allowed = ["zod", "node:crypto"];
    assert.deepEqual(
      offences(
        ["contract/**/*.ts"],
        (from) => !from.startsWith("contract/") && !allowed.includes(from),
      ),
      [],
    );
  });

  it("only script.ts reads the scripts of host/", () => {
    const readers = filesOf(ROOTS).filter((file) => /["'][./]*host\/[^"']*["']/.test(textOf(file)));
    assert.deepEqual(readers, ["providers/executors/script.ts"]);
  });

  it("only the executors start programs on the way to a host, and none through a shell", () => {
    const starters = filesOf(ROOTS).filter((file) =>
      importsOf(file).includes("node:child_process"),
    );
    assert.deepEqual(starters, [
      "cli/pulumi.ts",
      "providers/executors/process.ts",
      "providers/executors/ssh-master.ts",
      "providers/nixos/relay.ts",
    ]);
    for (const file of starters)
      assert.doesNotMatch(textOf(file), /shell: true|\bexec(?:File)?(?:Sync)?\(/, file);
  });

  it("no file turns host key checking off, or signature checks", () => {
    for (const file of filesOf(ROOTS))
      assert.doesNotMatch(
        textOf(file),
        /StrictHostKeyChecking[= ](?:no|off)|--no-check-sigs|--no-require-sigs/i,
        file,
      );
  });
});
