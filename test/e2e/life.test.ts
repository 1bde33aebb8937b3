// The life of a system, as its operator types it: six releases, two of them bad, three ways back, drift, a lost
// state, and at last another host in the place of prod.
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import type { Sight } from "../../cli/sight.ts";
import type { LedgerRecord } from "../../contract/ledger.ts";
import type { LabHost } from "../../lab/lab.ts";
import { Swap } from "./swap.ts";
import { assertRuns, invocations, isActive, REPOSITORY, touched, type World } from "./world.ts";

const STACKS = ["grind", "prod"] as const;
type Revision = keyof typeof HYPERVISORS;
/** What people are told at the door of each release. */
const HYPERVISORS = {
  a: "1.4.0",
  b: "1.5.0",
  "c-prod": "1.6.0",
  "new-unit": "1.4.0",
  "bad-unit": "1.4.1",
  "slow-migration": "1.4.8",
};
const DEV = "container@sandbox-dev.service";

/** What a host should run, and how its last transaction should have ended. */
type Expected = readonly [Revision, outcome?: LedgerRecord["outcome"]];

describe("the life of a system", function () {
  this.timeout(480_000);
  let swap: Swap;
  let world: World;

  before("a lab as new, whose builder keeps all releases of this story", async () => {
    swap = await Swap.prepared();
    world = swap.world;
    world.configure("grind", /(repo: .*\n)/, "$1    keep: 6\n");
  });

  after("the lab goes", () => swap?.close());

  const promote = (args: readonly string[], options = {}) => world.project.promote(args, options);

  async function document<T>(code: number, args: readonly string[]): Promise<T> {
    const ended = await promote([...args, "--json"]);
    assert.equal(ended.code, code, ended.output);
    return JSON.parse(ended.stdout) as T;
  }

  async function commitOf(revision: Revision): Promise<string> {
    const argv = ["git", "-C", REPOSITORY, "rev-parse", `${revision}^{commit}`];
    return (await world.grind.must(argv)).trim();
  }

  async function release(revision: Revision): Promise<void> {
    await world.push(revision);
    const { outcome } = await document<{ outcome: string }>(0, ["promote", "--yes"]);
    assert.equal(outcome, "promoted");
  }

  /** `status`, the host itself, its door, its ledger and Pulumi's state say the same. */
  async function agree(grind: Expected, prod: Expected, standby?: Expected): Promise<void> {
    const { stacks } = await document<{ stacks: (Sight & { stack: string })[] }>(0, ["status"]);
    const all = [
      ["grind", world.grind, grind],
      ["prod", world.prod, prod],
      ["standby", swap.spare, standby],
    ] as const;
    for (const [stack, host, expected] of all) {
      if (expected === undefined) continue;
      const [revision, outcome = "committed"] = expected;
      const configuration = stack === "grind" ? world.grind : world.prod;
      const system = await world.toplevel(revision, configuration);
      const rev = await commitOf(revision);
      const sight = stacks.find((one) => one.stack === stack);
      assert.ok(sight);
      assert.deepEqual(
        [sight.health, sight.release?.rev, sight.currentSystem, sight.profile, sight.drift],
        ["healthy", rev, system, system, []],
        `status of ${stack}`,
      );
      await assertRuns(host, system);
      const { status, body } = await world.login(host);
      assert.deepEqual(
        [status, /hypervisor \d+\.\d+\.\d+/.exec(body)?.[0]],
        [200, `hypervisor ${HYPERVISORS[revision]}`],
        `the door of ${stack}`,
      );
      await ledgerAgrees(host, { system, rev, outcome, sight });
      const { live, transaction } = (await world.profile(stack)).outputs;
      assert.deepEqual(
        [live.currentSystem, live.profile, transaction?.id],
        [system, system, sight.last?.id],
        `the state of ${stack}`,
      );
    }
  }

  async function ledgerAgrees(
    host: LabHost,
    {
      system,
      rev,
      outcome,
      sight,
    }: { system: string; rev: string; outcome: LedgerRecord["outcome"]; sight: Sight },
  ): Promise<void> {
    const records = readFileSync(`${host.root}/var/lib/nixos-promote/ledger.jsonl`, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as LedgerRecord);
    const last = records.at(-1);
    const stayed = records.filter((record) => record.outcome === "committed").at(-1);
    assert.deepEqual(
      [last?.outcome, last?.id, last?.after?.currentSystem, last?.after?.profile],
      [outcome, sight.last?.id, system, system],
      `the last record of ${host.name}`,
    );
    assert.deepEqual(
      [stayed?.toplevel, stayed?.release?.rev, stayed?.at],
      [system, rev, sight.since],
      `the last commit in the ledger of ${host.name}`,
    );
  }

  it("01 a first release", async () => {
    await release("a");
    await agree(["a"], ["a"]);
  });

  it("02 a second one", async () => {
    await release("b");
    await agree(["b"], ["b"]);
  });

  it("03 a bad one, which is healthy on grind and not on prod: prod goes back by itself", async () => {
    await world.push("c-prod");
    const { outcome } = await document<{ outcome: string }>(1, ["promote", "--yes"]);
    assert.equal(outcome, "failed");
    await agree(["c-prod"], ["b", "rolled-back"]);
  });

  it("04 a good one after it", async () => {
    await release("new-unit");
    await agree(["new-unit"], ["new-unit"]);
  });

  it("05 a bad one, which grind does not take: prod never hears of it", async () => {
    await world.push("bad-unit");
    const before = await invocations(world.prod);
    const { outcome } = await document<{ outcome: string }>(1, ["promote", "--yes"]);
    assert.equal(outcome, "failed");
    assert.deepEqual(touched(before, await invocations(world.prod)), []);
    await agree(["new-unit", "rolled-back"], ["new-unit"]);
  });

  it("06 the sixth", async () => {
    await release("slow-migration");
    await agree(["slow-migration"], ["slow-migration"]);
  });

  it("07 prod goes back by one step", async () => {
    await document(0, ["rollback", "--yes"]);
    await agree(["slow-migration"], ["new-unit"]);
  });

  it("08 and to a commit", async () => {
    await document(0, ["rollback", "--to", (await commitOf("b")).slice(0, 10), "--yes"]);
    await agree(["slow-migration"], ["b"]);
  });

  it("09 somebody activates another system and stops a unit; that is drift, and an up repairs it", async () => {
    const other = await world.toplevel("new-unit", world.prod);
    await world.prod.must([`${other}/bin/switch-to-configuration`, "test"]);
    await world.prod.must(["systemctl", "stop", DEV]);
    const { stacks } = await document<{ stacks: (Sight & { stack: string })[] }>(3, ["status"]);
    const sight = stacks.find(({ stack }) => stack === "prod");
    assert.equal(sight?.health, "drift");
    assert.match(
      sight.drift.join("\n"),
      /^runs .*, not the release's .*\n.*sandbox-dev.* is inactive/s,
    );
    await world.up("prod");
    assert.ok(await isActive(world.prod, DEV));
    await agree(["slow-migration"], ["b"]);
  });

  it("10 to the first release, whose paths were collected: they are copied again from grind", async () => {
    for (const host of [world.grind, world.prod])
      await host.must(["nix-collect-garbage", "--delete-old"]);
    const first = await world.toplevel("a", world.prod);
    const valid = async (host: LabHost) =>
      (await host.exec(["nix-store", "--check-validity", first])).code === 0;
    assert.deepEqual([await valid(world.prod), await valid(world.grind)], [false, true]);
    await document(0, ["rollback", "--to", await commitOf("a"), "--yes"]);
    assert.ok(await valid(world.prod));
    await agree(["slow-migration"], ["a"]);
  });

  it("11 Pulumi's state is lost: both hosts are adopted as they are", async () => {
    const seen = () => Promise.all(STACKS.map((stack) => invocations(world[stack])));
    const before = await seen();
    rmSync(`${world.project.directory}/state/.pulumi`, { recursive: true });
    for (const stack of STACKS) {
      await world.project.must(["stack", "init", stack]);
      await world.up(stack);
    }
    const after = await seen();
    assert.deepEqual(
      before.map((services, index) => touched(services, after[index] ?? {})),
      [[], []],
    );
    await agree(["slow-migration"], ["a"]);
  });

  it("12 the pin goes, and prod follows grind again", async () => {
    await document(0, ["unpin"]);
    const { outcome } = await document<{ outcome: string }>(0, [
      ...["promote", "--skip-grind", "--yes"],
    ]);
    assert.equal(outcome, "promoted");
    await agree(["slow-migration"], ["slow-migration"]);
  });

  it("13 prod and its spare change roles: the spare rehearses the release first, then people get it", async () => {
    await swap.describe();
    await swap.up("standby");
    await agree(["slow-migration"], ["slow-migration"], ["slow-migration"]);
    await swap.up();
    assert.equal(await swap.served(), "prod");
    swap.activate("spare");
    assert.match(await swap.preview(), /Public traffic goes from prod \(\S+\) to spare \(\S+\)/);
    assert.equal(await swap.served(), "prod");
    await swap.up();
    assert.equal(await swap.served(), "spare");
    await agree(["slow-migration"], ["slow-migration"], ["slow-migration"]);
  });
});
