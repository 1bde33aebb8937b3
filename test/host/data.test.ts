// Mutable data of prod: backed up before a release changes them, and brought back when somebody asks.
import assert from "node:assert/strict";
import { history, type LedgerRecord } from "../../contract/ledger.ts";
import type { Verdict } from "../../contract/verdict.ts";
import { flatten } from "../../providers/executors/argument.ts";
import { scriptOf } from "../../providers/executors/script.ts";
import {
  ask,
  eventually,
  finish,
  follow,
  type Job,
  type JobState,
  newId,
  start,
} from "./on-host.ts";
import { type More, Prod, SOAKING, stepsOf, usualProbes } from "./prod.ts";

const DATA = "/opt/choiros/data";
const BACKUPS = "/var/lib/nixos-promote/backups";

describe("mutable data", function () {
  this.timeout(180_000);
  const prod = Prod.alwaysSettled();

  beforeEach(async () => {
    await prod.sh(`rm -rf ${BACKUPS} ${DATA}*; mkdir -p ${DATA}/sub; chmod 0750 ${DATA}
      head -c 300000 /dev/urandom >${DATA}/hypervisor.db; chown 1000:1000 ${DATA}/hypervisor.db; chmod 0640 ${DATA}/hypervisor.db
      ln -s hypervisor.db ${DATA}/sub/link; setfattr -n user.mark -v x ${DATA}/hypervisor.db 2>/dev/null || true`);
  });
  afterEach(() =>
    prod.sh(`umount --lazy ${BACKUPS} 2>/dev/null || true; rm -rf ${BACKUPS} ${DATA}*`),
  );

  const data = (more: More = {}): More => ({
    data: { directories: [DATA], backup: "schema", keepBackups: 3, ...more },
    changesSchema: ["hypervisor.db"],
  });
  const sums = (directory = DATA) =>
    prod.sh(
      `cd ${directory} && find . -printf '%P %y %m %U %G %l\\n' | sort && find . -type f -exec sha256sum {} + | sort`,
    );
  const lastRecord = async (): Promise<LedgerRecord> => {
    const [newest] = history.parse(await ask(prod.host, "history", { limit: 1 })).records;
    assert.ok(newest);
    return newest;
  };
  const backups = async () =>
    (await prod.sh(`ls -A ${BACKUPS} 2>/dev/null || true`)).split("\n").filter(Boolean);
  async function backUp(more: More = {}): Promise<{ name: string; said: Verdict }> {
    const said = await prod.activate("b", { ...data(), ...more });
    assert.equal(said.outcome, "committed", said.reason ?? "");
    return { name: said.id, said };
  }
  async function restore(backup: string, more: More = {}): Promise<JobState> {
    const id = newId("restore-data");
    const argument = { backup, ...more };
    assert.equal(
      (await start(prod.host, { id, command: "restore-data", argument }))["started"],
      true,
    );
    return finish(prod.host, id);
  }

  it("are in a verified archive before a release that changes a schema, and the ledger says where", async () => {
    const { name, said } = await backUp();
    assert.deepEqual(stepsOf(said).slice(0, 3), ["preflight", "backup", "test"]);
    const { backup } = await lastRecord();
    const [only, ...more] = backup?.directories ?? [];
    assert.deepEqual(more, []);
    assert.deepEqual(
      [backup?.name, backup?.changes, only?.directory],
      [name, ["hypervisor.db"], DATA],
    );
    assert.deepEqual([only?.kind, only?.steady], ["tar", true]);
    assert.match(
      (await prod.sh(`sha256sum ${only?.path}`)).slice(0, 64),
      new RegExp(`^${only?.sha256}$`),
    );
    assert.equal((await prod.sh(`stat -c %a ${BACKUPS}/${name}`)).trim(), "700");
  });

  it("are not, where nothing changes, where it is forbidden, and where the release runs already", async () => {
    assert.equal((await prod.activate("b", { ...data(), changesSchema: [] })).outcome, "committed");
    assert.equal((await prod.activate("a", data({ backup: "never" }))).outcome, "committed");
    assert.equal((await prod.activate("b", { ...data(), mode: "dry-activate" })).outcome, "shown");
    assert.equal((await prod.activate("a", data())).outcome, "committed");
    assert.deepEqual(await backups(), []);
    const always = await prod.activate("a", { ...data({ backup: "always" }), changesSchema: [] });
    assert.equal(always.outcome, "committed");
    assert.deepEqual(await backups(), [always.id]);
  });

  it("are, where a component that is named is another one than before, or nobody knows what it was", async () => {
    const system = (await prod.look()).system;
    const manifest = (runtime: string, others = "") =>
      `{"components":{${others}"${system}":{"desktop":{"closureSize":1,"narHash":"x","narSize":1,"path":"/nix/store/${"d".repeat(32)}-desktop"},` +
      `"run.time":{"closureSize":1,"narHash":"x","narSize":1,"path":"/nix/store/${runtime.repeat(32)}-runtime"}}},"subject":"\\"components\\":{"}`;
    const activate = async (release: "a" | "b", given: string, components = ["run.time"]) => {
      const said = await prod.activate(release, {
        ...data({ components }),
        ...{ changesSchema: [], manifest: given },
      });
      return [said.outcome, (await lastRecord()).backup?.changes];
    };
    await prod.sh("rm -rf /var/lib/nixos-promote/releases");
    assert.deepEqual(await activate("b", manifest("1")), ["committed", ["run.time"]]);
    assert.deepEqual(await activate("a", manifest("1")), ["committed", undefined]);
    const other = `"sparc-linux":{"run.time":{"closureSize":1,"narHash":"x","narSize":1,"path":"/nix/store/${"1".repeat(32)}-runtime"}},`;
    assert.deepEqual(await activate("b", manifest("2", other)), ["committed", ["run.time"]]);
    assert.deepEqual(await activate("a", manifest("2")), ["committed", undefined]);
    const refused = await prod.activate("b", {
      ...data({ components: ["runxtime"] }),
      manifest: manifest("2"),
    });
    assert.deepEqual([refused.outcome, refused.failedStep], ["refused", "backup"]);
    assert.match(
      refused.reason ?? "",
      /data\.components\] The release ships no component runxtime/,
    );
  });

  it("are refused a release where the disk is too small, before anything is touched", async () => {
    await prod.sh(`mkdir -p ${BACKUPS} && mount -t tmpfs -o size=200k tmpfs ${BACKUPS}`);
    const said = await prod.activate("b", { ...data(), preflight: { diskMarginMiB: 0 } });
    assert.deepEqual([said.outcome, said.failedStep], ["refused", "backup"]);
    assert.match(
      said.reason ?? "",
      /^A backup of \/opt\/choiros\/data takes up to 0 MiB with the margin, and only 0 MiB are free/,
    );
    assert.match(said.advice ?? "", /Free some on the host/);
    await prod.isAsBefore();
  });

  it("are refused a release where the disk fills up during the backup, and nothing is left of it", async () => {
    await prod.sh(`mkdir -p ${BACKUPS} && mount -t tmpfs -o size=600k tmpfs ${BACKUPS}
      truncate -s 2M ${DATA}/sparse`); // no blocks of its own, so the size of the directory does not tell it
    // Random, written over the hole as soon as the size has been taken.
    const job = await prod.job("b", { ...data(), preflight: { diskMarginMiB: 0 } });
    await prod.sh(`mkdir -p /run/fill && cat >/run/fill/du <<'X'
#!/bin/sh
/usr/bin/du "$@"
head -c 2000000 /dev/urandom >${DATA}/sparse
X
      chmod +x /run/fill/du`);
    const said = await prod.end(await begin(job)).finally(() => prod.sh("rm -rf /run/fill"));
    assert.deepEqual([said.outcome, said.failedStep], ["refused", "backup"], said.reason ?? "");
    assert.match(
      said.reason ?? "",
      /^The backup of \/opt\/choiros\/data failed: .*No space left on device/,
    );
    assert.deepEqual(await backups(), []);
    await prod.isAsBefore();
  });

  /** With a `du` of the test in front of the host's. */
  async function begin(job: Job): Promise<Job> {
    const script = `PATH=/run/fill:$PATH\n${scriptOf("activate")}`;
    const argument = flatten({ ...job.argument, id: job.id });
    const more = { unit: "nixos-promote-activate", timeoutSeconds: 120 };
    const { started } = await ask(prod.host, "start", { id: job.id, script, argument, ...more });
    assert.equal(started, true);
    return job;
  }

  it("are backed up again after a backup that was killed, of which nothing stays", async () => {
    await prod.sh(`head -c 400000000 /dev/urandom >${DATA}/big`);
    const job = await prod.beginTo("backup", "b", data());
    await eventually(
      "it writes",
      async () => (await prod.sh(`ls ${BACKUPS}/*.new/*.tar.* 2>/dev/null || true`)) !== "",
    );
    await prod.sh("systemctl kill --signal=KILL nixos-promote-activate.service");
    await eventually("it is lost", async () => (await follow(prod.host, job.id)).state === "lost");
    await prod.sh(`systemctl reset-failed nixos-promote-activate.service || true; rm ${DATA}/big`);
    assert.deepEqual(await backups(), [`${job.id}.new`]);
    assert.equal((await prod.look()).currentSystem, prod.a);
    const { name } = await backUp();
    assert.deepEqual(await backups(), [name]);
  });

  it("are not backed up when somebody says stop", async () => {
    await prod.sh(`head -c 400000000 /dev/urandom >${DATA}/big`);
    const job = await prod.beginTo("backup", "b", data());
    await ask(prod.host, "cancel", { id: job.id });
    const said = await prod.end(job);
    assert.deepEqual([said.outcome, said.reason], ["refused", "Cancelled."]);
    assert.deepEqual(await backups(), []);
  });

  it("keep the newest backups, and the first one of what runs", async () => {
    const names: string[] = [];
    // Releases that do not stay: each attempt makes one of the data as the one before has left them.
    for (let time = 0; time < 4; time += 1) {
      const said = await prod.activate("c-503", {
        ...data({ keepBackups: 2 }),
        probes: usualProbes({ deadlineSeconds: 1 }),
      });
      assert.equal(said.outcome, "rolled-back");
      names.push(said.id);
    }
    assert.deepEqual((await backups()).sort(), [names[0], names[2], names[3]].sort());
    const { name } = await backUp({ ...data({ keepBackups: 1 }) });
    assert.deepEqual((await backups()).sort(), [names[0], name].sort());
  });

  it("come back when somebody asks, and what was there is moved aside", async () => {
    const before = await sums();
    const { name } = await backUp();
    await prod.sh(`echo changed >${DATA}/hypervisor.db; echo new >${DATA}/more`);
    const changed = await sums();
    const { result } = await restore(name, { units: ["hypervisor.service"] });
    assert.equal(result?.["outcome"], "restored", JSON.stringify(result));
    const [{ aside } = { aside: "" }] = (result?.["directories"] ?? []) as { aside: string }[];
    assert.equal(await sums(), before);
    assert.equal(await sums(aside), changed);
    assert.equal((await prod.sh("systemctl is-active hypervisor.service")).trim(), "active");
    const record = await lastRecord();
    assert.deepEqual(
      [record.mode, record.outcome, record.restored?.backup],
      ["restore-data", "restored", name],
    );
    const state = await prod.look();
    assert.equal(state.last?.id, name, "it is no transaction");
    assert.equal(state.ledger?.["id"], name);
  });

  it("come back into a directory that is a mount point", async () => {
    await prod.sh(
      `mkdir /run/was && cp -a ${DATA}/. /run/was && mount -t tmpfs tmpfs ${DATA} && cp -a /run/was/. ${DATA}; rm -rf /run/was`,
    );
    try {
      const before = await prod.sh(`cat ${DATA}/hypervisor.db | sha256sum; ls ${DATA}`);
      const { name } = await backUp();
      await prod.sh(`echo changed >${DATA}/hypervisor.db`);
      const { result } = await restore(name);
      assert.equal(result?.["outcome"], "restored", JSON.stringify(result));
      assert.equal(await prod.sh(`cat ${DATA}/hypervisor.db | sha256sum; ls ${DATA}`), before);
      assert.equal(await prod.sh(`cat ${DATA}/.before-restore-data-*/hypervisor.db`), "changed\n");
    } finally {
      await prod.sh(`umount --lazy ${DATA}`);
    }
  });

  it("stay as they are where the archive is damaged, or is not there", async () => {
    const { name } = await backUp();
    const now = await sums();
    const [archive = ""] = (await prod.sh(`ls ${BACKUPS}/${name}/*.tar.*`)).split("\n");
    await prod.sh(`printf x | dd of=${archive} bs=1 seek=1000 conv=notrunc status=none`);
    const said = JSON.stringify((await restore(name, { units: ["hypervisor.service"] })).result);
    assert.match(
      said,
      /damaged-backup.*is damaged: its sha256 is another one.*Nothing was changed\./,
    );
    assert.match(
      JSON.stringify((await restore("activate-no")).result),
      /There is no backup activate-no/,
    );
    assert.match(JSON.stringify((await restore("../x")).result), /\[backup\] may hold/);
    assert.match(
      JSON.stringify((await restore(name, { directories: ["/etc"] })).result),
      /does not hold '\/etc'/,
    );
    assert.equal(await sums(), now);
    assert.equal(
      (await prod.sh(`ls -d ${DATA}* ${DATA}/../.restore* 2>/dev/null || true`)).trim(),
      DATA,
    );
  });

  it("are not restored while a transaction runs, nor the other way round", async () => {
    const { name } = await backUp();
    const job = await prod.beginTo("health", "a", { probes: SOAKING });
    await assert.rejects(async () => {
      const said = await start(prod.host, {
        id: newId("restore-data"),
        command: "restore-data",
        argument: { backup: name },
      });
      throw new Error(JSON.stringify(said));
    }, /busy/);
    await ask(prod.host, "cancel", { id: job.id });
    await prod.end(job);
  });
});
