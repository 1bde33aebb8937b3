import assert from "node:assert/strict";
import type { BuildInputs, ClosureInputs } from "../../contract/resources.ts";
import { build } from "../../providers/nixos/build.ts";
import { closure } from "../../providers/nixos/closure.ts";
import {
  EVALUATION,
  GRIND,
  MANIFEST,
  OTHER_REV,
  PROD,
  pathOf,
  SYSTEM_A,
  SYSTEM_B,
} from "../support/samples.ts";

describe("Build's diff", () => {
  const wanted: BuildInputs = { connection: GRIND, ...EVALUATION, timeoutSeconds: 60 };
  const state = { ...wanted, manifest: MANIFEST };
  const changes = (more: Partial<BuildInputs>) => build.diff(state, { ...wanted, ...more }).changes;
  const hypervisor = EVALUATION.components["x86_64-linux"]?.["hypervisor"];
  assert.ok(hypervisor !== undefined);

  it("is none for the same revision", () => assert.equal(changes({}), false));

  const table: [string, Partial<BuildInputs>][] = [
    ["another revision, even with the same paths", { rev: OTHER_REV }],
    [
      "another output",
      shipping({ hypervisor: { ...hypervisor, outPath: pathOf("hypervisor-1.6.0") } }),
    ],
    ["one component more", shipping({ hypervisor, sandbox: hypervisor })],
    ["a component for another system", { components: { "aarch64-linux": { hypervisor } } }],
    ["one host less", { hosts: {} }],
    ["a key that signs the manifest", { manifestKeyFile: "/var/lib/keys/release" }],
    ["data whose form it changes", { changesSchema: ["hypervisor.db"] }],
    [
      "a signing key, so that what is built gets signed",
      { signingKeyFile: "/var/lib/keys/one.secret" },
    ],
    ["another way to the builder, so that the next refresh goes there", { connection: PROD }],
  ];
  for (const [what, more] of table)
    it(`is a change for ${what}`, () => assert.equal(changes(more), true));
});

function shipping(components: BuildInputs["components"][string]): Partial<BuildInputs> {
  return { components: { "x86_64-linux": components } };
}

describe("Closure's diff", () => {
  const wanted: ClosureInputs = {
    connection: PROD,
    path: SYSTEM_B,
    transport: { via: "direct", builder: GRIND, to: "choiros-prod" },
    timeoutSeconds: 60,
  };
  const state = { ...wanted, root: "closure-x" };
  const changes = (more: Partial<ClosureInputs>) =>
    closure.diff(state, { ...wanted, ...more }).changes;

  it("is none for the same path on the same host", () => assert.equal(changes({}), false));

  const table: [string, Partial<ClosureInputs>][] = [
    ["another path", { path: SYSTEM_A }],
    ["another host", { connection: GRIND }],
    ["another way to copy", { transport: { via: "relay", builder: GRIND } }],
  ];
  for (const [what, more] of table)
    it(`is a change for ${what}`, () => assert.equal(changes(more), true));
});
