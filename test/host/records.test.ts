// What prod remembers of its transactions: the ledger, manifests, generations.
import assert from "node:assert/strict";
import { type History, history, type LedgerRecord } from "../../contract/ledger.ts";
import { ask, eventually, follow } from "./on-host.ts";
import { ASKING, type More, Prod, SOAKING } from "./prod.ts";

const STATE = "/var/lib/nixos-promote";
const LEDGER = `${STATE}/ledger.jsonl`;
const CARD = {
  by: { user: "alice", host: "laptop", pid: "4711", stack: "prod" },
  executor: "awsSsm",
};

describe("what a host remembers", function () {
  this.timeout(180_000);
  const prod = Prod.alwaysSettled();

  const read = async (more: More = {}): Promise<History> =>
    history.parse(await ask(prod.host, "history", { limit: 100, ...more }));
  const lastRecord = async (): Promise<LedgerRecord> => {
    const [newest] = (await read({ limit: 1 })).records;
    assert.ok(newest);
    return newest;
  };

  it("of a release that stayed: who, how, when, from where to where", async () => {
    const b = await prod.releases.onProd("b");
    const job = await prod.job("b", { release: { rev: "b", subject: 'say "b"' } });
    const said = await prod.end(await prod.begin({ ...job, card: CARD }));
    assert.equal(said.outcome, "committed", said.reason ?? "");
    const record = await lastRecord();
    const { at, startedAt, finishedAt, steps, units, ...rest } = record;
    assert.deepEqual(units, said.units);
    assert.deepEqual(rest, {
      ...{ id: job.id, mode: "switch", outcome: "committed", toplevel: b, previous: prod.a },
      ...{ release: { rev: "b", subject: 'say "b"' }, executor: "awsSsm" },
      by: { user: "alice", host: "laptop", stack: "prod" },
      ...{ failedStep: null, reason: null, diagnosticsFile: null, backup: null },
      before: {
        currentSystem: prod.a,
        profile: prod.a,
        bootedSystem: rest.before?.bootedSystem,
        links: null,
      },
      after: { currentSystem: b, profile: b, bootedSystem: rest.before?.bootedSystem, links: null },
    });
    assert.ok(rest.before?.bootedSystem);
    assert.deepEqual(
      steps?.map(({ name }) => name),
      said.steps.map(({ name }) => name),
    );
    assert.ok(at - (startedAt ?? 0) < 60 && (finishedAt ?? 0) <= at);
    assert.equal((await prod.look()).ledger?.["id"], job.id);
  });

  it("of every other end too, and of a dry run nothing; the last that stayed is still told", async () => {
    const { id } = (await prod.look()).ledger as { id: string };
    const rolledBack = await prod.activate("c-503");
    assert.equal(rolledBack.outcome, "rolled-back");
    const { reason, failedStep, diagnosticsFile, outcome } = await lastRecord();
    assert.deepEqual([outcome, failedStep], ["rolled-back", "health"]);
    assert.match(reason ?? "", /hypervisor is not healthy: 503/);
    assert.equal(diagnosticsFile, rolledBack.diagnosticsFile);

    assert.equal((await prod.activate("b", { machineId: "0".repeat(32) })).outcome, "refused");
    assert.match((await lastRecord()).reason ?? "", /not the expected machine/);

    const job = await prod.begin(await prod.job("b", { unitFailures: "nonsense" }));
    await eventually(
      "it has ended",
      async () => (await follow(prod.host, job.id)).state === "finished",
    );
    const nonsense = await lastRecord();
    assert.deepEqual([nonsense.id, nonsense.outcome], [job.id, "refused"]);
    assert.match(nonsense.reason ?? "", /\[unitFailures\]/);

    const lines = (await read()).records.length;
    assert.equal((await prod.activate("b", { mode: "dry-activate" })).outcome, "shown");
    assert.equal((await read()).records.length, lines);
    assert.equal((await prod.look()).ledger?.["id"], id, "the last that stayed");

    assert.equal((await prod.activate("b", { mode: "test" })).outcome, "tested");
    const tested = await lastRecord();
    assert.deepEqual([tested.outcome, tested.mode], ["tested", "test"]);
  });

  it("of one that was killed: the next one puts it on record, once", async () => {
    const b = await prod.releases.onProd("b");
    const job = await prod.job("b", { ...ASKING, probes: SOAKING, release: { rev: "b" } });
    await prod.begin({ ...job, card: CARD });
    await eventually(
      "it is in its health",
      async () => (await follow(prod.host, job.id)).step === "health",
    );
    await prod.sh("systemctl kill --signal=KILL nixos-promote-activate.service");
    await eventually("it is lost", async () => (await follow(prod.host, job.id)).state === "lost");
    await prod.sh("systemctl reset-failed nixos-promote-activate.service || true");
    assert.equal((await prod.activate("a")).outcome, "committed");
    assert.equal((await prod.activate("a")).outcome, "committed");
    const found = (await read()).records.filter(({ id }) => id === job.id);
    assert.equal(found.length, 1);
    const [record] = found;
    assert.deepEqual([record?.outcome, record?.failedStep], ["cut-off", "health"]);
    assert.deepEqual([record?.toplevel, record?.previous], [b, prod.a]);
    assert.deepEqual(
      [record?.by?.user, record?.executor, record?.release?.rev],
      ["alice", "awsSsm", "b"],
    );
    assert.equal(record?.after?.currentSystem, b, "it was on trial");
  });

  it("manifests of the newest releases, and for each system whether it could be run again", async () => {
    const manifest = '{"rev":"b"}';
    const b = await prod.releases.onProd("b");
    assert.equal((await prod.activate("b", { manifest })).outcome, "committed");
    const said = await read({ toplevel: b });
    assert.equal(said.manifest, manifest);
    assert.deepEqual(
      said.releases.find(({ toplevel }) => toplevel === b),
      { toplevel: b, valid: true, held: true, manifest: true },
    );
    const gone = "/nix/store/00000000000000000000000000000000-nixos-system-gone";
    await prod.sh(
      `printf '%s\\n' '{"at":1,"id":"x","outcome":"committed","toplevel":"${gone}"}' | cat - ${LEDGER} >/tmp/l && cp /tmp/l ${LEDGER}`,
    );
    assert.deepEqual(
      (await read()).releases.find(({ toplevel }) => toplevel === gone),
      {
        toplevel: gone,
        ...{ valid: false, held: false, manifest: false },
      },
    );
    assert.equal(
      (await prod.activate("a", { manifest: "{}", keep: { releases: 1 } })).outcome,
      "committed",
    );
    assert.equal((await prod.sh(`ls ${STATE}/releases | wc -l`)).trim(), "1");
    assert.equal((await read({ toplevel: b })).manifest, null);
  });

  it("as many systems as it is told, against garbage collection, the oldest dropped first", async () => {
    const [a, b, c] = [
      prod.a,
      ...(await Promise.all(["b", "new-unit"].map((tag) => prod.releases.onProd(tag)))),
    ];
    const generations = async () =>
      Object.entries((await prod.look()).roots)
        .filter(([name]) => name.startsWith("generation-"))
        .map(([, path]) => path);
    const keep = (count: number) => ({ keep: { generations: count } });
    // What runs at first is a, and b is before it.
    for (const tag of ["b", "a"]) assert.equal((await prod.activate(tag)).outcome, "committed");
    assert.deepEqual(await generations(), []);
    assert.equal((await prod.activate("new-unit", keep(3))).outcome, "committed");
    assert.deepEqual(await generations(), [b]);
    const rolledBack = await prod.activate("c-503", keep(3));
    assert.equal(rolledBack.outcome, "rolled-back");
    assert.deepEqual(await generations(), [b]);
    assert.equal((await prod.activate("b", keep(3))).outcome, "committed");
    assert.deepEqual(
      await generations(),
      [a],
      "what runs and what was before it have roots of their own",
    );
    const { roots } = await prod.look();
    assert.deepEqual([roots["current"], roots["previous"]], [b, c]);
    await prod.sh(
      "nix-env -p /nix/var/nix/profiles/system --delete-generations old && nix-store --gc >/dev/null 2>&1",
    );
    const { paths } = await prod.look({ paths: [a as string, b as string, c as string] });
    assert.ok(
      [a, b, c].every((path) => paths[path as string]),
      JSON.stringify(paths),
    );
    assert.equal((await prod.activate("a")).outcome, "committed");
    assert.deepEqual(await generations(), []);
  });

  it("refuses a manifest that is too big, and numbers that are none, before anything is touched", async () => {
    for (const [more, reason] of [
      [{ manifest: "x".repeat(262145) }, /\[manifest\] has 262145 bytes/],
      [{ keep: { generations: 1 } }, /\[keep\.generations\]/],
      [{ keep: { releases: "all" } }, /\[keep\.releases\]/],
    ] as const) {
      const job = await prod.begin(await prod.job("b", more));
      await eventually(
        "it has ended",
        async () => (await follow(prod.host, job.id)).state === "finished",
      );
      assert.match(JSON.stringify((await follow(prod.host, job.id)).result), reason);
    }
    await prod.isAsBefore();
  });
});
