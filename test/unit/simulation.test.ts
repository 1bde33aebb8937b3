import assert from "node:assert/strict";
import { connection } from "../../contract/connection.ts";
import { SIMULATION, simulatedToplevel } from "../../contract/simulation.ts";
import { storePath } from "../../contract/store-path.ts";
import { flatten } from "../../providers/executors/argument.ts";
import { argumentsOf } from "../../providers/simulation/fleet.ts";
import { drawn, randomOf } from "../../providers/simulation/numbers.ts";

describe("simulated hosts", () => {
  const simulated = { kind: "simulated", name: "sim-1" };

  it("are refused unless a simulation is named, so that no stack has one by accident", () => {
    delete process.env[SIMULATION];
    const refused = connection.safeParse(simulated);
    assert.match(refused.error?.issues[0]?.message ?? "", /no such host exists/);
    process.env[SIMULATION] = "/tmp/some-simulation";
    try {
      assert.ok(connection.safeParse(simulated).success);
    } finally {
      delete process.env[SIMULATION];
    }
  });

  it("get what a script gets", () => {
    const given = { id: "a", paths: ["/nix/store/x", "two\nlines\tand \\n"], none: null };
    const found = argumentsOf(flatten(given));
    assert.equal(found.get("paths.length"), "2");
    assert.equal(found.get("paths.1"), "two\nlines\tand \\n");
    assert.equal(found.has("none"), false);
  });

  it("take as long as is said: half of them less than the median, one in a hundred more than the p99", () => {
    const random = randomOf("seed");
    const times = Array.from({ length: 20_000 }, () =>
      drawn({ medianMs: 60, p99Ms: 500 }, random()),
    ).sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(share * times.length)] ?? 0;
    assert.ok(Math.abs(at(0.5) - 60) < 3, `median ${at(0.5)}`);
    assert.ok(Math.abs(at(0.99) - 500) < 60, `p99 ${at(0.99)}`);
  });

  it("have a system of their own in each release, always the same, by a path that Nix could have made", () => {
    const paths = [1, 2].flatMap((release) =>
      ["sim-1", "sim-2"].map((host) => simulatedToplevel(host, release)),
    );
    assert.equal(new Set(paths).size, 4);
    assert.equal(simulatedToplevel("sim-1", 1), paths[0]);
    for (const path of paths) assert.ok(storePath.safeParse(path).success, path);
  });
});
