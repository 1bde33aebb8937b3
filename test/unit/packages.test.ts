import assert from "node:assert/strict";
import fc from "fast-check";
import { packageChanges } from "../../providers/nixos/plan/packages.ts";
import { pathOf } from "../support/samples.ts";

type Sized = [string, number];
const of = (...items: Sized[]) => items.map(([name, size]): Sized => [pathOf(name), size]);
const KIB = 1024;

describe("packages that change", () => {
  const table: [string, Sized[], Sized[], ReturnType<typeof packageChanges>][] = [
    ["nothing", of(["a-1", 10]), of(["a-1", 10]), []],
    [
      "a new version, whatever its size",
      of(["hypervisor-1.4", 100]),
      of(["hypervisor-1.5", 100]),
      [{ name: "hypervisor", from: ["1.4"], to: ["1.5"], bytes: 0 }],
    ],
    ["small new things without a version: noise", [], of(["unit-a.service", 900]), []],
    [
      "a version beside what has none, by its version alone",
      of(["etc", 10], ["glibc-2.40", 5]),
      of(["glibc-2.40", 5], ["glibc", 5]),
      [],
    ],
    ["a new package", [], of(["jq-1.7", 50]), [{ name: "jq", from: [], to: ["1.7"], bytes: 50 }]],
    [
      "a removed package",
      of(["jq-1.7", 50]),
      [],
      [{ name: "jq", from: ["1.7"], to: [], bytes: -50 }],
    ],
    ["a rebuild of about the same size: noise", of(["etc", 10]), of(["etc", 10 + 8 * KIB]), []],
    [
      "a rebuild that grew by more than 8 KiB",
      of(["etc", 10]),
      of(["etc", 11 + 8 * KIB]),
      [{ name: "etc", from: ["ε"], to: ["ε"], bytes: 8 * KIB + 1 }],
    ],
    [
      "a rebuild that shrank by more than 8 KiB",
      of(["etc", 11 + 8 * KIB]),
      of(["etc", 10]),
      [{ name: "etc", from: ["ε"], to: ["ε"], bytes: -8 * KIB - 1 }],
    ],
    [
      "a second version beside the first",
      of(["glibc-2.40", 5]),
      of(["glibc-2.40", 5], ["glibc-2.41", 5]),
      [{ name: "glibc", from: ["2.40"], to: ["2.40", "2.41"], bytes: 5 }],
    ],
    [
      "outputs of one package as versions, as Nix does",
      of(["gcc-13-lib", 5]),
      of(["gcc-14-lib", 5]),
      [{ name: "gcc", from: ["13-lib"], to: ["14-lib"], bytes: 0 }],
    ],
    [
      "several, by name",
      of(["b-1", 1], ["a-1", 1]),
      of(["b-2", 1], ["a-2", 1]),
      [
        { name: "a", from: ["1"], to: ["2"], bytes: 0 },
        { name: "b", from: ["1"], to: ["2"], bytes: 0 },
      ],
    ],
  ];
  for (const [what, before, after, changes] of table) {
    it(`show ${what}`, () => assert.deepEqual(packageChanges(before, after), changes));
  }

  const names = fc.constantFrom(
    "a-1",
    "a-2",
    "a-2-lib",
    "b",
    "c-x-1",
    "toString-1",
    "constructor",
    "__proto__-1",
  );
  const closure = fc
    .uniqueArray(fc.tuple(names, fc.nat(100_000)), { selector: ([name]) => name })
    .map((list) => of(...list));

  it("are none between a closure and itself", () => {
    fc.assert(
      fc.property(closure, (one) => assert.deepEqual(packageChanges(one, one.toReversed()), [])),
    );
  });

  it("are turned around when the closures are", () => {
    fc.assert(
      fc.property(closure, closure, (one, other) => {
        const back = packageChanges(other, one).map(({ name, from, to, bytes }) => ({
          name,
          from: to,
          to: from,
          bytes: 0 - bytes,
        }));
        const there = packageChanges(one, other).map((change) => ({
          ...change,
          bytes: 0 + change.bytes,
        }));
        assert.deepEqual(there, back);
      }),
    );
  });
});
