import assert from "node:assert/strict";
import fc from "fast-check";
import { packageOf, shortPath, storeName, storePath } from "../../contract/store-path.ts";
import { HOSTILE } from "../support/hostile.ts";
import { pathOf } from "../support/samples.ts";

const named = (name: string) => `/nix/store/${"0".repeat(32)}-${name}`;

describe("store paths", () => {
  // Right-hand sides: what `nix eval --expr 'builtins.parseDrvName "…"'` answers.
  const table: [string, string, string][] = [
    ["hypervisor-1.5.0", "hypervisor", "1.5.0"],
    ["hello", "hello", ""],
    ["nix-0.12pre12876", "nix", "0.12pre12876"],
    ["python3.12-requests-2.32.3", "python3.12-requests", "2.32.3"],
    ["unit-hypervisor.service", "unit-hypervisor.service", ""],
    [
      "nixos-system-choiros-prod-26.11.20260101.abcdef0",
      "nixos-system-choiros-prod",
      "26.11.20260101.abcdef0",
    ],
    ["glibc-2.40-66", "glibc", "2.40-66"],
    ["gcc-13.3.0-lib", "gcc", "13.3.0-lib"],
    ["a-b-c", "a-b-c", ""],
    ["foo-_1", "foo", "_1"],
    ["foo--1", "foo", "-1"],
    ["trailing-", "trailing-", ""],
    // But this one, of which Nix says that its version is .service.
    ["unit-container-.service", "unit-container-.service", ""],
  ];
  for (const [full, name, version] of table) {
    it(`${full} is package "${name}" of version "${version}"`, () => {
      assert.deepEqual(packageOf(named(full)), { name, version });
    });
  }

  it("name and version always put together again give the store name", () => {
    const character = fc.constantFrom(..."abcXYZ0129+-._?=");
    fc.assert(
      fc.property(fc.string({ unit: character, minLength: 1, maxLength: 40 }), (text) => {
        const { name, version } = packageOf(named(text));
        assert.equal(version === "" ? name : `${name}-${version}`, text);
        assert.equal(storeName(named(text)), text);
      }),
    );
  });

  it("a store path is taken, and shown short enough to tell two apart", () => {
    const path = pathOf("hypervisor-1.5.0");
    assert.equal(storePath.parse(path), path);
    assert.match(shortPath(path), /^[0-9a-z]{7}…-hypervisor-1\.5\.0$/);
  });

  const refused: [string, string][] = [
    ["a path below a store path", `${pathOf("hello")}/bin/hello`],
    ["another directory", "/tmp/hello"],
    ["a hash that is one letter too short", `/nix/store/${"0".repeat(31)}-hello`],
    ["a letter that Nix's base 32 does not have", `/nix/store/${"e".repeat(32)}-hello`],
    ["a path out of the store", `${pathOf("x")}/../../../etc/passwd`],
    ["no name", `/nix/store/${"0".repeat(32)}-`],
    ["a trailing newline", `${pathOf("hello")}\n`],
    ["a name longer than Nix allows", named("a".repeat(212))],
  ];
  for (const [what, text] of refused) {
    it(`${what} is no store path`, () => {
      assert.equal(storePath.safeParse(text).success, false);
    });
  }

  it("hostile text is never part of a store path", () => {
    for (const text of HOSTILE.filter((one) => one !== "--"))
      assert.equal(
        storePath.safeParse(named(`hello${text === "-F/tmp/other" ? "/" : ""}${text}`)).success,
        false,
        text,
      );
  });
});
