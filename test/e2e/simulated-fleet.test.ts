// Ten hosts that do not exist, with the real CLI, program and provider: that what large fleets are measured with works.
import assert from "node:assert/strict";
import { SPEC } from "../../bench/simulated-fleet/simulated-fleet.ts";
import { SimulatedWorld } from "../../bench/simulated-fleet/world.ts";

describe("a simulated fleet", function () {
  this.timeout(300_000);
  const quick = { medianMs: 5, p99Ms: 20 };
  let world: SimulatedWorld;

  before("ten hosts, of which every process hears anew what was done to them", async () => {
    const spec = { ...SPEC, connect: quick, answer: quick, activate: quick };
    world = await SimulatedWorld.open({ hosts: 10, shards: 2, parallel: 16, spec });
  });

  after(() => world?.close());

  it("takes a release, shows the next one once for all to which it does the same, and takes it", async () => {
    world.release(1);
    for (const stack of world.stacks) {
      const { code, output } = await world.pulumi(stack, "up", "--yes", "--skip-preview");
      assert.equal(code, 0, output);
    }
    const again = await world.pulumi("region-1", "up", "--yes", "--skip-preview");
    assert.doesNotMatch(again.output, /updated|created/);
    world.release(2);
    const preview = await world.pulumi("region-1", "preview");
    assert.equal(preview.code, 0, preview.output);
    assert.match(
      preview.output,
      /\n +5 hosts \(sim-1, sim-3, sim-5, sim-7, sim-9\): .* release 2\n/,
    );
    assert.equal(preview.output.match(/ copy +12 paths/g)?.length, 1, preview.output);
    const up = await world.pulumi("region-1", "up", "--yes", "--skip-preview");
    assert.match(up.output, /nixos-system-sim-1-r1" => .*nixos-system-sim-1-r2"/);
    assert.ok(world.stateMiB() > 0);
  });
});
