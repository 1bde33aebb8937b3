// The commands of operators over the other ways to a host: AWS SSM, and a fallback for a closed connection.
import assert from "node:assert/strict";
import type { KnownBackup } from "../../cli/backups.ts";
import type { LedgerRecord } from "../../contract/ledger.ts";
import type { Snapshot } from "../../contract/snapshot.ts";
import type { LabHost } from "../../lab/lab.ts";
import type { Ended } from "../../lab/project.ts";
import { during } from "./faults.ts";
import { assertRuns, World } from "./world.ts";

/** With this the operator knows no host by ssh. */
const WITHOUT_SSH = { NIXOS_PROMOTE_SSH_CONFIG: "/dev/null" };
const DATA = "/opt/choiros/data";
const BACKED_UP = `{data: {directories: [${DATA}], backup: always}}`;

interface Row {
  readonly stack: string;
  readonly health: string;
  readonly notes: string[];
  readonly connection: string;
}

interface Finding {
  readonly state: string;
  readonly where: string;
  readonly about: string;
  readonly says: string;
}

describe("the command line over other ways to a host", function () {
  this.timeout(480_000);
  let world: World;
  let a: string;
  let b: string;

  const ssm = ({ instanceId }: LabHost) => ({ kind: "awsSsm", instanceId, region: "eu-central-1" });

  before("release a, then b, on both hosts, over ssh", async function () {
    this.timeout(600_000);
    world = await World.open({ ssm: true });
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
    await world.prod.must(["bash", "-euc", `mkdir -p ${DATA}; echo one >${DATA}/db`]);
    for (const revision of ["a", "b"]) {
      await world.push(revision);
      await world.up("grind");
      await world.up("prod");
    }
  });

  after("the lab goes", () => world?.close());

  const promote = (args: readonly string[], env: Record<string, string> = {}) =>
    world.project.promote(args, { env });

  async function document<T>(code: number, args: readonly string[], env = {}): Promise<T> {
    const ended = await promote([...args, "--json"], env);
    assert.equal(ended.code, code, ended.output);
    return JSON.parse(ended.stdout) as T;
  }

  describe("01 AWS SSM, without any ssh from here", () => {
    before("both stacks know their hosts by SSM alone", () => {
      const grind = JSON.stringify(ssm(world.grind));
      world.configure("grind", /\{kind: ssh, host: choiros-grind\}/g, grind);
      world.connect("prod", JSON.stringify(ssm(world.prod)));
      world.configure("prod", /^config:\n/, `config:\n  choiros:activation: ${BACKED_UP}\n`);
    });

    it("status", async () => {
      const { stacks } = await document<{ stacks: Row[] }>(0, ["status"], WITHOUT_SSH);
      assert.deepEqual(
        stacks.map(({ health, connection, notes }) => [health, connection, notes]),
        [world.grind, world.prod].map(({ instanceId }) => [
          ...["healthy", `${instanceId} in eu-central-1`],
          [],
        ]),
      );
    });

    it("doctor", async () => {
      const { findings } = await document<{ findings: Finding[] }>(0, ["doctor"], WITHOUT_SSH);
      assert.deepEqual(
        findings.filter(({ state }) => state === "fail"),
        [],
      );
      for (const about of ["connection", "machine", "room", "trust", "copy"])
        assert.equal(
          findings.find((one) => one.where === "prod" && one.about === about)?.state,
          "ok",
          about,
        );
    });

    it("doctor says that an agent is offline, and where that is described", () =>
      during(
        () => world.lab.ssm.stop(world.prod.instanceId),
        () => world.lab.ssm.resume(world.prod.instanceId),
        async () => {
          const { findings } = await document<{ findings: (Finding & { fix: string })[] }>(
            1,
            ["doctor", "--stack", "prod"],
            WITHOUT_SSH,
          );
          const found = findings.find(({ about }) => about === "connection");
          assert.match(found?.says ?? "", /its SSM agent is offline/);
          assert.equal(found?.fix, "See docs/aws-ssm.md.");
        },
      ));

    it("history, and the manifest of a release", async () => {
      const { past } = await document<{ past: { valid: boolean }[] }>(0, ["history"], WITHOUT_SSH);
      assert.deepEqual(
        past.map(({ valid }) => valid),
        [true, true],
      );
      const kept = await promote(["manifest", "--to", "1"], WITHOUT_SSH);
      assert.equal(kept.code, 0, kept.output);
      assert.ok(kept.stdout.includes(a));
    });

    it("snapshot, and a diff of two hosts", async () => {
      const seen = await document<Snapshot>(0, ["snapshot"], WITHOUT_SSH);
      assert.deepEqual([seen.currentSystem, seen.machineId], [b, world.prod.machineId]);
      const compared = await promote(["snapshot", "diff", "grind", "prod", "--json"], WITHOUT_SSH);
      const { verdict } = JSON.parse(compared.stdout) as { verdict: string };
      // A probe that has no answer in time, on a machine that does much else, is no difference of the release.
      assert.ok(["alike", "same-binaries"].includes(verdict), compared.output);
    });

    it("rollback --emergency, with the backup of data, and the data brought back", async () => {
      const env = { ...WITHOUT_SSH, PULUMI_BACKEND_URL: "file:///nowhere" };
      const { outcome } = await document<{ outcome: string }>(
        0,
        ["rollback", "--emergency", "--yes"],
        env,
      );
      assert.equal(outcome, "rolled back");
      await assertRuns(world.prod, a);
      const { records } = await document<{ records: LedgerRecord[] }>(0, ["history"], env);
      assert.equal(records[0]?.executor, "awsSsm");
      await world.prod.must(["bash", "-euc", `echo two >${DATA}/db`]);
      const { backups } = await document<{ backups: KnownBackup[] }>(0, ["data", "list"], env);
      const name = backups[0]?.name ?? "";
      await document(0, ["data", "restore", name, "--stop", "hypervisor.service", "--yes"], env);
      assert.equal(await world.prod.must(["cat", `${DATA}/db`]), "one\n");
    });

    it("rollback and promote, with Pulumi", async () => {
      await document(0, ["unpin"]);
      const { outcome } = await document<{ outcome: string }>(0, ["promote", "--yes"], WITHOUT_SSH);
      assert.equal(outcome, "promoted");
      await assertRuns(world.prod, b);
      await document(0, ["rollback", "--yes"], WITHOUT_SSH);
      await assertRuns(world.prod, a);
    });
  });

  describe("02 a fallback, for when ssh is closed", () => {
    const DETOUR =
      /\[host\.connection\] choiros-prod: nothing answers there\..*Going over \[host\.fallback\], i-\S+ in eu-central-1, which leads to the same machine/;

    before("prod is known by ssh, and by SSM beside it", () => {
      const ssh = "{kind: ssh, host: choiros-prod, connectTimeoutSeconds: 2}";
      const { machineId } = world.prod;
      world.connect("prod", ssh);
      const more = `    fallback: ${JSON.stringify(ssm(world.prod))}\n    machineId: ${machineId}\n`;
      world.configure("prod", / {4}connection: .*\n/, `$&${more}`);
    });

    const withoutSshd = <T>(work: () => Promise<T>) =>
      during(
        () =>
          world.prod.must(["bash", "-c", "systemctl stop ssh.service; pkill -KILL sshd || true"]),
        () => world.prod.must(["systemctl", "start", "ssh.service"]),
        work,
      );

    const ok = async (args: readonly string[]): Promise<Ended> => {
      const ended = await promote([...args, "--stack", "prod"]);
      assert.equal(ended.code, 0, ended.output);
      return ended;
    };

    it("is no detour as long as ssh is open", async () => {
      assert.doesNotMatch((await ok(["status"])).output, /Going over/);
    });

    it("status and doctor say by which way, and history and snapshot come over it", () =>
      withoutSshd(async () => {
        assert.match((await ok(["status"])).output, DETOUR);
        assert.match((await ok(["history"])).output, /committed/);
        assert.match((await ok(["snapshot"])).stdout, new RegExp(world.prod.machineId));
        // The builder has no other way to prod.
        const { code, output } = await promote(["doctor", "--stack", "prod"]);
        assert.equal(code, 1, output);
        assert.match(output, DETOUR);
        assert.match(output, /fail +copy: the builder does not reach choiros-prod/);
      }));

    it("rollback --emergency goes over it as a whole, and says so", () =>
      withoutSshd(async () => {
        const { output } = await ok(["rollback", "--to", "1", "--emergency", "--yes"]);
        assert.match(output, DETOUR);
        await assertRuns(world.prod, b);
      }));

    it("of two closed ways both are told, and nothing is done", () =>
      withoutSshd(() =>
        during(
          () => world.lab.ssm.stop(world.prod.instanceId),
          () => world.lab.ssm.resume(world.prod.instanceId),
          async () => {
            for (const args of [["status"], ["rollback", "--emergency", "--yes"]]) {
              const { code, output } = await promote([...args, "--stack", "prod"]);
              assert.equal(code, 4, output);
              assert.match(output, /\[host\.connection\].*\[host\.fallback\].*agent is offline/);
            }
            await assertRuns(world.prod, b);
          },
        ),
      ));
  });
});
