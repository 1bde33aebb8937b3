// The strategy flake, on a real host: it builds its system from a checkout of its own, at the exact revision.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { must } from "../../lab/process.ts";
import { run } from "./on-host.ts";
import { type More, Prod, stepsOf } from "./prod.ts";

const MAKE_REPO = fileURLToPath(new URL("../../lab/nixos/make-repo.sh", import.meta.url));
const ORIGIN = "/opt/choiros/origin";
const DIR = "/opt/choiros/checkout";
const BUILT = ["checkout", "build", "preflight"];

describe("flake", function () {
  this.timeout(120_000);
  const prod = Prod.alwaysSettled();
  let a: string;
  let b: string;
  const revs: Record<string, string> = {};

  before("an origin with revisions that the checkout on prod does not know", async function () {
    this.timeout(300_000);
    a = prod.a;
    b = await prod.releases.onProd("b");
    await prod.sh(`rm -rf ${ORIGIN} ${DIR}`);
    await must([MAKE_REPO, `${prod.host.root}${ORIGIN}`]);
    for (const tag of ["a", "b", "c-503", "bad-check", "no-build", "no-host"])
      revs[tag] = (await prod.sh(`git -C ${ORIGIN} rev-parse ${tag}^{commit}`)).trim();
  });
  beforeEach("a checkout at main", () =>
    prod.sh(
      `rm -rf ${DIR}; git clone -q --single-branch --no-tags --branch main file://${ORIGIN} ${DIR}`,
    ),
  );

  const head = async () => (await prod.sh(`cd ${DIR}; git rev-parse HEAD`)).trim();
  const branch = async () =>
    (await prod.host.exec(["git", "-C", DIR, "branch", "--show-current"])).stdout.trim();

  function checkout(tag: string, more: More = {}): More {
    return {
      strategy: "flake",
      checkout: { directory: DIR, name: "choiros-prod", rev: revs[tag] ?? "", ...more },
      timeouts: { build: 60, switch: 30, confirm: 2, rollback: 30 },
    };
  }
  const take = (tag: string, more: More = {}) =>
    prod.activate(undefined, { ...checkout(tag), ...more });

  async function isAsBefore(): Promise<void> {
    assert.deepEqual(await prod.pointers(), [a, a, a]);
    assert.deepEqual([await head(), await branch()], [revs["a"], "main"], "the checkout");
  }

  it("fetches the revision, builds it here, and goes on as with a closure", async () => {
    assert.notEqual(
      (await prod.host.exec(["git", "-C", DIR, "cat-file", "-e", revs["b"] ?? ""])).code,
      0,
    );
    const said = await take("b", { toplevel: b });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.deepEqual(stepsOf(said), [...BUILT, "test", "health", "await-confirmation", "commit"]);
    assert.equal(said.toplevel, b);
    assert.deepEqual(await prod.pointers(), [b, b, b]);
    assert.equal(await head(), revs["b"]);
    assert.deepEqual((await prod.look()).roots, { current: b, previous: a });
  });

  it("immediate is plain nixos-rebuild switch, in its own unit", async () => {
    const said = await take("b", { mode: "immediate" });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    assert.deepEqual(stepsOf(said), [...BUILT, "switch", "health", "record"]);
    assert.deepEqual(await prod.pointers(), [b, b, b]);
    const journal = await prod.sh(
      "journalctl -q -o cat -u nixos-rebuild-switch-to-configuration | tail -n 20",
    );
    assert.match(journal, /Started nixos-rebuild-switch-to-configuration|Deactivated successfully/);
  });

  it("immediate goes back from a bad release: system, boot default and checkout", async () => {
    const said = await take("c-503", { mode: "immediate" });
    assert.equal(said.outcome, "rolled-back", said.reason ?? "");
    assert.match(said.reason ?? "", /hypervisor is not healthy: 503/);
    await isAsBefore();
  });

  it("immediate puts the boot default back when the switch is refused", async () => {
    const before = await prod.invocations();
    const said = await take("bad-check", { mode: "immediate" });
    assert.equal(said.outcome, "refused", said.reason ?? "");
    assert.equal(said.failedStep, "switch");
    await isAsBefore();
    assert.deepEqual(await prod.invocations(), before);
  });

  it("goes back from a release that is not healthy, the checkout too", async () => {
    const said = await take("c-503");
    assert.equal(said.outcome, "rolled-back");
    assert.equal(said.failedStep, "health");
    assert.ok(said.diagnostics);
    await isAsBefore();
  });

  it("test and boot do what they do with a closure; dry-activate leaves the checkout alone", async () => {
    assert.equal((await take("b", { mode: "test" })).outcome, "tested");
    assert.deepEqual(await prod.pointers(), [b, a, a]);
    await prod.settle();
    assert.equal((await take("b", { mode: "boot" })).outcome, "committed");
    assert.deepEqual(await prod.pointers(), [a, b, b]);
    await prod.settle();
    await prod.sh(`git -C ${DIR} checkout -q main`);
    const shown = await take("b", { mode: "dry-activate" });
    assert.equal(shown.outcome, "shown", shown.reason ?? "");
    assert.match(shown.shown ?? "", /would stop the following units: .*hypervisor/);
    await isAsBefore();
  });

  const dirt: [string, string][] = [
    ["modified", "echo '# mine' >>flake.nix"],
    ["staged", "echo '# mine' >>flake.nix; git add flake.nix"],
    ["untracked", "touch 'new file'"],
    ["removed", "rm flake.nix"],
  ];
  for (const [what, script] of dirt)
    it(`refuses a dirty tree: ${what}`, async () => {
      await prod.sh(`cd ${DIR}; ${script}`);
      const before = await prod.sh(`cd ${DIR}; git status --porcelain`);
      const said = await take("b");
      assert.equal(said.outcome, "refused");
      assert.deepEqual(stepsOf(said), ["checkout"]);
      assert.match(
        said.reason ?? "",
        /^The checkout \/opt\/choiros\/checkout is dirty \(.*(flake\.nix|new file)/,
      );
      assert.equal(await prod.sh(`cd ${DIR}; git status --porcelain`), before, "and leaves it so");
      await isAsBefore();
    });

  it("refuses what it cannot build, or should not, and restores the checkout", async () => {
    const nowhere = "0123456789".repeat(4);
    const cases: [string, More, RegExp][] = [
      [
        "b",
        checkout("b", { directory: "/opt/nowhere" }),
        /is not a git checkout that root can use/,
      ],
      [
        "b",
        checkout("b", { rev: nowhere }),
        /neither in \/opt\/choiros\/checkout nor to be had from/,
      ],
      ["no-build", {}, /nixos-rebuild build ended with/],
      ["no-host", {}, /nixos-rebuild build ended with/],
      ["b", { toplevel: a }, /^The checkout builds \S+, the release has \S+: something is in/],
      ["b", { machineId: "0".repeat(32) }, /not the expected machine/],
    ];
    for (const [tag, more, reason] of cases) {
      const said = await take(tag, more);
      assert.equal(said.outcome, "refused", JSON.stringify(more));
      assert.match(said.reason ?? "", reason);
      await isAsBefore();
    }
  });

  it("has a time limit of its own for the build", async () => {
    await prod.sh(`cd ${ORIGIN}; git checkout -q --detach a
      sed -i 's|mkdir -p "$out/share/desktop"|/usr/bin/sleep 60; &|' packages/default.nix
      git -c user.name=x -c user.email=x@example.com commit -qam slow; git tag -f slow`);
    revs["slow"] = (await prod.sh(`git -C ${ORIGIN} rev-parse slow`)).trim();
    const more = { timeouts: { build: 2, switch: 30, confirm: 2, rollback: 30 } };
    const said = await take("slow", more);
    assert.equal(said.outcome, "refused");
    assert.match(said.reason ?? "", /nixos-rebuild build ended with 124/);
    await isAsBefore();
  });

  it("refuses an argument that makes no sense, and text stays text", async () => {
    const hostile = "/opt/x$(touch /tmp/owned)";
    const cases: [More, RegExp][] = [
      [{ directory: hostile }, /\[checkout\.directory\] may hold/],
      [{ directory: "/opt/x#y" }, /\[checkout\.directory\] may hold/],
      [{ directory: "x" }, /\[checkout\.directory\] is not an absolute path/],
      [{ name: 'a".b' }, /\[checkout\.name\] may hold/],
      [{ name: "--impure" }, /\[checkout\.name\] may hold/],
      [{ rev: "--help" }, /\[checkout\.rev\] is not a full commit id/],
    ];
    for (const [more, reason] of cases) {
      const job = await prod.job(undefined, checkout("b", more));
      assert.match(JSON.stringify((await run(prod.host, job)).result), reason);
    }
    assert.notEqual((await prod.host.exec(["test", "-e", "/tmp/owned"])).code, 0);
    await isAsBefore();
  });
});
