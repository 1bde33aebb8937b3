import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { z } from "zod";
import { canonicalJson, type Json } from "../../contract/canonical-json.ts";
import { anyManifest, manifest } from "../../contract/manifest.ts";
import { releaseId, signedText } from "../../contract/release-id.ts";
import { MANIFEST, MANIFEST_1, pathOf } from "../support/samples.ts";

describe("canonical JSON", () => {
  const table: [string, Json, string][] = [
    ["has no spaces", { a: [1, true, null, "x"] }, '{"a":[1,true,null,"x"]}'],
    [
      "sorts keys at every depth, as text",
      { b: { 9: 1, 10: 2 }, a: 0 },
      '{"a":0,"b":{"10":2,"9":1}}',
    ],
    // RFC 8785, 3.2.3: by UTF-16 units, so that what lies beyond them comes before U+FB33.
    [
      "sorts keys by their UTF-16 units",
      { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, "\u00f6": 7 },
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}',
    ],
    [
      "escapes what must be, and nothing else",
      '\u20ac$\u000f\nA\'B"\\\\"/',
      '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"',
    ],
    ["keeps a key of the language's own", JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
    ["leaves out what is not there", { a: undefined, b: 1 }, '{"b":1}'],
    ["writes an integer as one", 9007199254740991, "9007199254740991"],
  ];
  for (const [what, value, text] of table) it(what, () => assert.equal(canonicalJson(value), text));

  it("says the same as JSON, and the same for every order of the keys", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as Json);
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
        assert.equal(canonicalJson(reversed(value) as Json), text);
      }),
    );
  });
});

describe("the id of a release", () => {
  it("is the SHA-256 of the canonical JSON without id and signature", () => {
    const { id, ...content } = MANIFEST;
    const text = canonicalJson(content);
    assert.match(text, /^\{"builtAt":1767225606,"committedAt":1767225600,"components":\{"x86_64/);
    assert.equal(id, createHash("sha256").update(text).digest("hex"));
    assert.equal(signedText({ ...MANIFEST, signature: "signed" }), text);
  });

  it("is another one for every change, and no matter in which order things stand", () => {
    const { id } = MANIFEST;
    assert.equal(releaseId(reversed(MANIFEST) as typeof MANIFEST), id);
    for (const change of [
      { subject: "another" },
      { builtAt: 1 },
      { changesSchema: ["hypervisor.db"] },
      { hosts: {} },
    ])
      assert.notEqual(releaseId({ ...MANIFEST, ...change }), id);
  });
});

describe("a manifest", () => {
  it("is read as it was written, also one of version 1", () => {
    for (const one of [MANIFEST, MANIFEST_1, { ...MANIFEST, changesSchema: ["a"], signature: "x" }])
      assert.deepEqual(anyManifest.parse(JSON.parse(JSON.stringify(one))), one);
  });

  const wrong: [string, object][] = [
    ["a host without a system", { hosts: { prod: MANIFEST_1.hosts["choiros-prod"] } }],
    ["a component for no system", { components: MANIFEST_1.components }],
    ["a branch instead of a commit", { rev: "main" }],
    ["half a character", { subject: "\ud83d" }],
    ["a path that is none", { hosts: { prod: { ...MANIFEST.hosts["choiros-prod"], path: "/x" } } }],
    ["an id that is none", { id: "1" }],
    ["something that this version does not know", { colour: "red" }],
    ["a host whose name is a path", { hosts: { "../x": MANIFEST.hosts["choiros-prod"] } }],
    ["another schema", { schema: 3 }],
  ];
  for (const [what, change] of wrong)
    it(`with ${what} is none`, () =>
      assert.equal(anyManifest.safeParse({ ...MANIFEST, ...change }).success, false));

  it("holds for each system one path of a component", () => {
    const of = (name: string) => ({
      path: pathOf(name),
      ...{ narHash: "", narSize: 0, closureSize: 0 },
    });
    const components = {
      "x86_64-linux": { hypervisor: of("hypervisor-x86") },
      "aarch64-linux": { hypervisor: of("hypervisor-arm") },
    };
    assert.deepEqual(manifest.parse({ ...MANIFEST, components }).components, components);
  });
});

describe("docs/manifest.schema.json", () => {
  // UPDATE_SCHEMA=1 npm run check writes it.
  const file = new URL("../../docs/manifest.schema.json", import.meta.url);
  const schema = `${JSON.stringify({ title: "A release", ...z.toJSONSchema(manifest) }, null, 2)}\n`;

  it("is what the program checks by", () => {
    if (process.env["UPDATE_SCHEMA"] !== undefined) writeFileSync(file, schema);
    assert.equal(readFileSync(file, "utf8"), schema);
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, of]): [string, unknown] => [key, reversed(of)]);
  const turned = Object.create(null) as Record<string, unknown>;
  for (const [key, of] of entries.reverse()) turned[key] = of;
  return turned;
}
