import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isFilled,
  offers,
  problemsOf,
  type SeenCache,
  type SizedPath,
  sourcesOf,
} from "../../providers/nixos/sources.ts";
import { pathOf } from "../support/samples.ts";

const NEAR = "https://near.example.com";
const FAR = "https://far.example.com";
const [A, B, C] = ["a", "b", "c"].map(pathOf) as [string, string, string];
const ALL: SizedPath[] = [
  [A, 100],
  [B, 20],
  [C, 3],
];

function seen(pull: string, more: Partial<SeenCache> = {}): SeenCache {
  const none = { missing: new Set<string>(), untrusted: new Set<string>(), signers: [] };
  return { pull, state: "open", said: "", ...none, ...more };
}

const of = (...paths: string[]) => new Set(paths);
const PUSH = { push: "file:///srv/cache" };

describe("where a closure comes from", () => {
  const cases: [string, SeenCache[], object[]][] = [
    [
      "the first cache that has a path, not the best one",
      [seen(NEAR, { missing: of(B) }), seen(FAR)],
      [
        { from: NEAR, paths: 2, bytes: 103, filled: false },
        { from: FAR, paths: 1, bytes: 20, filled: false },
      ],
    ],
    [
      "the next one where the host trusts no signature of the first",
      [seen(NEAR, { untrusted: of(A, C) }), seen(FAR)],
      [
        { from: FAR, paths: 2, bytes: 103, filled: false },
        { from: NEAR, paths: 1, bytes: 20, filled: false },
      ],
    ],
    [
      "the cache that the builder fills, where none has a path",
      [seen(NEAR, { missing: of(A, B) }), seen(FAR, { ...PUSH, missing: of(A) })],
      [
        { from: FAR, paths: 1, bytes: 100, filled: true },
        { from: FAR, paths: 1, bytes: 20, filled: false },
        { from: NEAR, paths: 1, bytes: 3, filled: false },
      ],
    ],
    [
      "nowhere that we know of, where nobody has it and nobody pushes",
      [seen(NEAR, { missing: of(A) })],
      [
        { from: null, paths: 1, bytes: 100, filled: false },
        { from: NEAR, paths: 2, bytes: 23, filled: false },
      ],
    ],
    [
      "no cache that cannot be reached, though the builder pushes there",
      [seen(NEAR, { ...PUSH, state: "unreachable" })],
      [{ from: null, paths: 3, bytes: 123, filled: false }],
    ],
  ];
  for (const [what, caches, expected] of cases)
    it(`is ${what}`, () => assert.deepEqual(sourcesOf(caches, ALL), expected));

  const state = fc.constantFrom("open", "unreachable", "unsupported", "damaged", "unanswered");
  const subset = fc.subarray([A, B, C]).map((paths) => new Set(paths));
  const anyCache = fc
    .record({ state, missing: subset, untrusted: subset, isPushed: fc.boolean() })
    .map(
      ({ isPushed, ...more }) => seen(NEAR, { ...more, ...(isPushed ? PUSH : {}) }) as SeenCache,
    );
  const someCaches = fc
    .array(anyCache, { minLength: 1, maxLength: 4 })
    .map((caches) => caches.map((cache, index) => ({ ...cache, pull: `${NEAR}/${index}` })));

  it("counts every path and every byte once, whatever the caches have", () => {
    fc.assert(
      fc.property(someCaches, (caches) => {
        const found = sourcesOf(caches, ALL);
        assert.equal(
          found.reduce((sum, { paths }) => sum + paths, 0),
          3,
        );
        assert.equal(
          found.reduce((sum, { bytes }) => sum + bytes, 0),
          123,
        );
      }),
    );
  });

  it("without a problem means that every path has a way", () => {
    fc.assert(
      fc.property(someCaches, (caches) => {
        const problems = problemsOf(caches, ALL, { host: "choiros-prod", unsigned: [] });
        const hasWay = ([path]: SizedPath) =>
          caches.some((cache) => offers(cache, path) || isFilled(cache));
        if (problems.length === 0) assert.ok(ALL.every(hasWay));
        if (!ALL.every(hasWay)) assert.notEqual(problems.length, 0);
      }),
    );
  });
});

describe("what is wrong with caches", () => {
  const told = (caches: SeenCache[], unsigned: string[] = []) =>
    problemsOf(caches, ALL, { host: "choiros-prod", unsigned }).join("\n");

  it("is nothing where one of them has it all, or gets it signed", () => {
    assert.equal(told([seen(NEAR, { missing: of(A, B, C) }), seen(FAR)]), "");
    assert.equal(told([seen(NEAR, { ...PUSH, missing: of(A, B, C) })]), "");
  });

  it("is a cache that is not there, beside one that has it all", () => {
    const away = seen(NEAR, { state: "unreachable", said: "Could not connect" });
    assert.match(told([away, seen(FAR)]), /near\S+ cannot be reached from choiros-prod: Could not/);
  });

  it("is a release that nobody has signed, before it is pushed", () => {
    const empty = seen(NEAR, { ...PUSH, missing: of(A, B, C) });
    assert.match(told([empty], [A, B]), /choiros-prod trusts no signature on 2 of 3 paths/);
  });

  it("is a signature by another key, with the name of that key", () => {
    const others = seen(NEAR, { untrusted: of(A), signers: ["other-1"] });
    assert.match(told([others]), /no signature on 1 of 3 paths\. Signed there by other-1\./);
  });

  it("is no signature that the builder adds", () => {
    const unsigned = seen(NEAR, { ...PUSH, untrusted: of(A, B, C) });
    assert.equal(told([unsigned]), "");
  });

  it("is what nobody has and nobody pushes, by number", () => {
    const some = seen(NEAR, { missing: of(A, B) });
    assert.match(told([some]), /2 of 3 paths are in no cache/);
  });

  for (const [state, sentence] of [
    ["unsupported", /built without that kind of store/],
    ["damaged", /is damaged/],
    ["unanswered", /What \S+ has is not known/],
  ] as const)
    it(`is one that is ${state}`, () => {
      assert.match(told([seen(NEAR, { state, said: "so it says" }), seen(FAR)]), sentence);
    });
});
