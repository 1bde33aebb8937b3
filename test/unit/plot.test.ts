import assert from "node:assert/strict";
import { cpuSeconds, proportional, roleOf, statusOf } from "../../bench/memory.ts";
import { barChart, lineChart } from "../../bench/plot.ts";
import { median, ratios } from "../../bench/report.ts";

describe("figures of benchmarks", () => {
  it("the median of an even number is between the two in the middle, whatever their order", () => {
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([3, 1, 2]), 2);
    assert.ok(Number.isNaN(median([])));
  });

  it("a ratio is that of one round, so that a slow machine counts for both", () => {
    assert.deepEqual(ratios([2, 20], [1, 10]), [2, 2]);
  });

  it("memory and processor time are read from what the kernel says of a process", () => {
    const status = "Name:\tpulumi-resource\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n";
    assert.deepEqual(statusOf(status), { name: "pulumi-resource", peak: 20 });
    assert.equal(proportional("Rss:   4096 kB\nPss:    2048 kB\nPss_Dirty: 1 kB\n"), 2);
    // Also of one whose name holds spaces and brackets.
    const before = "4711 (a) b) S 1 2 3 4 5 6 7 8 9 10";
    assert.equal(cpuSeconds(`${before} 150 50 0 0`), 2);
  });

  it("a process that has ended meanwhile counts nothing", () => {
    assert.deepEqual(statusOf(""), { name: "", peak: 0 });
    assert.equal(proportional(""), 0);
    assert.equal(cpuSeconds(""), 0);
  });

  it("Node's processes are told apart by what they run", () => {
    assert.equal(roleOf("MainThread", "node\0/x/providers/nixos/main.ts\0"), "provider");
    assert.equal(roleOf("node", "node\0/x/node_modules/@pulumi/pulumi/cmd/run\0"), "program");
    assert.equal(roleOf("pulumi", "pulumi\0up\0"), "pulumi");
  });
});

describe("plots", () => {
  const bars = [
    { group: "promote", name: "ours", value: 2 },
    { group: "promote", name: "<theirs>", value: 4 },
  ];

  it("bars are as long as their values, and names are text", () => {
    const svg = barChart({ title: "seconds & more", bars });
    const widths = [...svg.matchAll(/<rect x="250" y="\d+" width="([0-9.]+)"/g)].map((found) =>
      Number(found[1]),
    );
    assert.equal(widths.length, 2);
    assert.equal((widths[1] ?? 0) / (widths[0] ?? 1), 2);
    assert.ok(svg.includes("&#60;theirs&#62;") && svg.includes("seconds &#38; more"));
  });

  it("what grows in proportion is a straight line", () => {
    const points = [100, 1000, 10_000].map((hosts) => [hosts, hosts / 10] as const);
    const svg = lineChart({ title: "t", x: "hosts", y: "s", curves: [{ name: "up", points }] });
    const places = [...svg.matchAll(/<circle cx="([0-9.]+)" cy="([0-9.]+)"/g)].map((found) => ({
      x: Number(found[1]),
      y: Number(found[2]),
    }));
    const slopes = places.slice(1).map(({ x, y }, i) => {
      const before = places[i] ?? { x: 0, y: 0 };
      return (y - before.y) / (x - before.x);
    });
    assert.equal(slopes.length, 2);
    assert.ok(Math.abs((slopes[0] ?? 0) - (slopes[1] ?? 0)) < 0.01);
    assert.ok((slopes[0] ?? 0) < 0, "more is higher");
  });

  it("without figures there is still a plot", () => {
    const svg = lineChart({ title: "t", x: "hosts", y: "s", curves: [] });
    assert.ok(svg.endsWith("</svg>\n") && !svg.includes("NaN"));
  });
});
