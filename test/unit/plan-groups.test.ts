import assert from "node:assert/strict";
import fc from "fast-check";
import { isSettled } from "../../contract/settled.ts";
import { groupsOf } from "../../providers/nixos/plan/groups.ts";
import type { Plan } from "../../providers/nixos/plan/plan.ts";
import { hostsText, planText, textOfAll } from "../../providers/nixos/plan/text.ts";
import { OTHER_REV, pathOf, REV, SYSTEM_A, SYSTEM_B } from "../support/samples.ts";

const plan: Plan = {
  ...{ host: "web-1", rev: REV, subject: "say hello", fromRev: OTHER_REV },
  ...{ from: SYSTEM_A, to: SYSTEM_B, built: true },
  packages: [{ name: "hypervisor", from: ["1.4.0"], to: ["1.5.0"], bytes: 2048 }],
  copy: { paths: 8, bytes: 27_000, way: "straight from the builder" },
  units: { stop: [], start: [], restart: ["hypervisor.service"], reload: [], keep: [] },
  ...{ reboot: [], probes: ["login"], drift: [], effect: null, pending: [] },
  ...{ links: [], restart: [], running: null, users: null, groups: null, etc: null },
};
const of = (host: string, more: Partial<Plan> = {}): Plan => ({ ...plan, host, ...more });
const names = (plans: readonly Plan[]) =>
  groupsOf(plans).map((group) => group.map(({ host }) => host).join(" "));

describe("plans of many hosts", () => {
  it("are one where hosts differ in their own paths and sizes alone", () => {
    const own = { from: pathOf("own-a"), to: pathOf("own-b") };
    const copy = { ...plan.copy, paths: 9, bytes: 30_000_000, free: 1e12 };
    assert.deepEqual(names([of("a"), of("b", own), of("c", { copy })]), ["a b c"]);
  });

  const apart: [what: string, more: Partial<Plan>][] = [
    ["the release it comes from", { fromRev: null }],
    ["a unit", { units: { ...plan.units, reload: ["caddy.service"] } }],
    ["a version", { packages: [{ name: "jq", from: [], to: ["1.7"], bytes: 2048 }] }],
    [
      "the size of a package, as it is shown",
      { packages: [{ ...plan.packages[0], bytes: 9000 } as never] },
    ],
    ["a user", { users: { added: ["alice"], removed: [], changed: [] } }],
    ["drift", { drift: ["x.service is failed"] }],
    ["a reboot", { reboot: ["the kernel changes"] }],
    ["nothing to copy", { copy: { ...plan.copy, paths: 0, bytes: 0 } }],
    ["too little room", { copy: { ...plan.copy, free: 5 } }],
    ["an ill cache", { copy: { ...plan.copy, problems: ["it is ill"] } }],
    [
      "another cache",
      { copy: { ...plan.copy, sources: [{ from: "x", paths: 8, bytes: 1, filled: true }] } },
    ],
    ["a transaction that runs", { running: "busy" }],
    ["a release that is not built", { built: false }],
    ["no change of the system", { from: SYSTEM_B }],
    ["a link", { links: [{ name: "x", from: null, to: "y" }] }],
    ["its probes", { probes: [] }],
  ];
  for (const [what, more] of apart)
    it(`are told apart by ${what}`, () => {
      assert.deepEqual(names([of("a"), of("b", more), of("c"), of("d", more)]), ["a c", "b d"]);
    });

  it("lose and repeat no host, whatever they are", () => {
    const change = fc.constantFrom(...apart.map(([, more]) => more), {});
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const hosts = changes.map((_, index) => `h${index}`);
        const groups = groupsOf(changes.map((more, index) => of(hosts[index] ?? "", more)));
        assert.deepEqual(
          groups
            .flat()
            .map(({ host }) => host)
            .sort(),
          hosts.sort(),
        );
        for (const group of groups) assert.doesNotThrow(() => textOfAll(group));
      }),
    );
  });

  it("read as that of one host, with all of their names, ranges and an example", () => {
    const own = { from: pathOf("own-a"), to: pathOf("own-b") };
    const copy = { ...plan.copy, paths: 12, bytes: 50_000 };
    assert.equal(
      textOfAll([of("a"), of("b", { ...own, copy })]),
      planText(of("2 hosts (a, b)"))
        .replace(/(system +)(.*)/, "$1of each its own, such as $2")
        .replace(/8 paths, 26.4 KiB/, "8 to 12 paths, 26.4 KiB to 48.8 KiB"),
    );
  });

  it("are that of one host, where there is one", () => {
    assert.equal(textOfAll([plan]), planText(plan));
    assert.match(planText(plan), /^web-1: f1dd4a000000 -> 9ace77e00000 say hello\n {2}system/);
  });

  it("name eight hosts, and count the others", () => {
    const hosts = Array.from({ length: 11 }, (_, index) => `h${index}`);
    assert.equal(hostsText(hosts), "11 hosts (h0, h1, h2, h3, h4, h5, h6, h7 and 3 more)");
    assert.equal(hostsText(hosts.slice(0, 8)), "8 hosts (h0, h1, h2, h3, h4, h5, h6, h7)");
  });

  it("tell of a cache by ranges, source by source", () => {
    const from = (paths: number) => ({
      copy: { paths, bytes: 5, sources: [{ from: "https://c", paths, bytes: 5, filled: false }] },
    });
    assert.match(textOfAll([of("a", from(2)), of("b", from(4))]), /2 to 4 paths, 5 B from https:/);
  });

  it("are not told where nothing changes and nothing drifts", () => {
    const still = of("a", { from: SYSTEM_B });
    assert.equal(isSettled(still), true);
    for (const more of [{ drift: ["x"] }, { pending: ["x"] }, { running: "x" }, { from: SYSTEM_A }])
      assert.equal(isSettled({ ...still, ...more }), false);
  });
});
