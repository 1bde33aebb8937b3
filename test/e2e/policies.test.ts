import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { World } from "./world.ts";

const PACK = join(import.meta.dirname, "../../policy/pack");

describe("pulumi preview with our policy pack", () => {
  let world: World;
  before(async function () {
    this.timeout(300_000);
    world = await World.open();
  });
  after(() => world.close());

  it("lets a stack pass that builds, signed, and refuses the same as production", async () => {
    const args = ["preview", "--stack", "grind", "--policy-pack", PACK];
    const { output } = await world.project.must(args);
    assert.match(output, /nixos-promote@/, "the pack was there");
    assert.doesNotMatch(output, /mandatory/);

    const file = join(world.project.directory, "policies.json");
    writeFileSync(file, JSON.stringify({ "production-builds-nothing": { stacks: ["grind"] } }));
    const refused = await world.project.pulumi([...args, "--policy-pack-config", file]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /mandatory.*production-builds-nothing/);
    assert.match(refused.output, /\[release\.from\] must be stack or manifest/);
  });
});
