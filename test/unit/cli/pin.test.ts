import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type Pin, withPin, writePin } from "../../../cli/pin.ts";
import { openProject, settled, stackNamed } from "../../../cli/project.ts";
import { REV } from "../../support/samples.ts";
import { parseYaml } from "../../support/stack-config.ts";

const PROD = readFileSync(new URL("../../../Pulumi.prod.yaml", import.meta.url), "utf8");

function configOf(text: string): Record<string, unknown> {
  return (parseYaml(text) as { config: Record<string, unknown> }).config;
}

const anyPin: fc.Arbitrary<Pin> = fc.oneof(
  fc.constant({ rev: REV }),
  fc.string({ minLength: 1 }).map((manifest) => ({ manifest })),
  fc.nat().map((port) => ({
    manifest: "releases/prod-9ace77e00000.json",
    builder: { kind: "ssh" as const, host: "grind", port },
  })),
);

describe("a pin in a settings file", () => {
  it("is there, and nothing else has changed", () => {
    fc.assert(
      fc.property(anyPin, (pin) => {
        const { "choiros:pin": written, ...rest } = configOf(withPin(PROD, "choiros", pin));
        assert.deepEqual(written, pin);
        assert.deepEqual(rest, configOf(PROD));
      }),
    );
  });

  it("is taken out again without a trace", () => {
    fc.assert(
      fc.property(anyPin, (pin) => {
        assert.equal(withPin(withPin(PROD, "choiros", pin), "choiros", undefined), PROD);
      }),
    );
  });

  it("replaces another, also one that Pulumi has written over several lines", () => {
    const text = PROD.replace(
      "  choiros:copy:",
      "  choiros:pin:\n    manifest: releases/old.json\n    builder:\n      kind: local\n  # a comment\n  choiros:copy:",
    );
    const pinned = withPin(text, "choiros", { rev: REV });
    assert.deepEqual(configOf(pinned)["choiros:pin"], { rev: REV });
    assert.ok(!pinned.includes("old.json"));
    assert.ok(pinned.includes("  # a comment\n  choiros:copy:"));
    assert.equal(
      withPin(pinned, "choiros", undefined),
      PROD.replace("  choiros:copy:", "  # a comment\n  choiros:copy:"),
    );
  });

  it("is refused where the file is written in another way, which stays as it was", () => {
    const directory = mkdtempSync(join(tmpdir(), "promote-pin-"));
    try {
      const file = join(directory, "Pulumi.prod.yaml");
      const text = JSON.stringify(parseYaml(PROD));
      writeFileSync(join(directory, "Pulumi.yaml"), "name: choiros\n");
      writeFileSync(file, text);
      const project = openProject(directory);
      const stack = settled(stackNamed(project, "prod"));
      assert.throws(
        () => writePin(project, stack, { manifest: "releases/good.json" }),
        /is written in a way that the pin cannot be put into\. Nothing was changed\. Do it by hand, below config: choiros:pin/,
      );
      assert.equal(readFileSync(file, "utf8"), text);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
