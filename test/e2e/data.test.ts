// Mutable data on the command line: what backups there are, and one of them brought back.
import assert from "node:assert/strict";
import type { KnownBackup } from "../../cli/backups.ts";
import type { LedgerRecord } from "../../contract/ledger.ts";
import { invocations, REPOSITORY, touched, World } from "./world.ts";

const DATA = "/opt/choiros/data";
const LIBRARY = "/var/lib/choir";
const SETTING = `  choiros:activation: {data: {directories: [${DATA}, ${LIBRARY}], backup: always}}\n`;
const JOB = "nixos-promote-activate.service";

describe("mutable data on the command line", function () {
  this.timeout(480_000);
  let world: World;
  let name: string;
  let original: string;

  const promote = (args: readonly string[], options = {}) => world.project.promote(args, options);
  const sh = (script: string) => world.prod.must(["bash", "-euc", script]);
  const sums = (directory = DATA) =>
    sh(
      `cd ${directory} && find . -printf '%P %y %m %U %G %l\\n' | sort && find . -type f -exec sha256sum {} + | sort`,
    );

  async function document<T>(code: number, args: readonly string[], options = {}): Promise<T> {
    const ended = await promote([...args, "--json"], options);
    assert.equal(ended.code, code, ended.output);
    return JSON.parse(ended.stdout) as T;
  }

  before("release a, then b, before which a backup is made", async () => {
    world = await World.settled();
    await sh(`mkdir -p ${DATA}/sub ${LIBRARY}; chmod 0750 ${DATA}; echo books >${LIBRARY}/index
      head -c 300000 /dev/urandom >${DATA}/hypervisor.db; chown 1000:1000 ${DATA}/hypervisor.db; chmod 0640 ${DATA}/hypervisor.db
      ln -s hypervisor.db ${DATA}/sub/link`);
    original = await sums();
    assert.match((await promote(["data", "list"])).output, /no backup of mutable data/);
    world.configure("prod", /^config:\n/, `config:\n${SETTING}`);
    await world.push("b");
    await world.up("grind");
    await world.up("prod");
    await sh(`echo changed >${DATA}/hypervisor.db; echo new >${DATA}/more`);
  });

  after("the lab goes", () => world?.close());

  describe("data list", () => {
    it("has each backup with what it holds, and before which release it was made", async () => {
      const { backups } = await document<{ backups: KnownBackup[] }>(0, ["data", "list"]);
      const [only, ...more] = backups;
      assert.ok(only);
      assert.deepEqual(more, []);
      name = only.name;
      assert.equal(
        only.before?.rev,
        (await world.grind.must(["git", "-C", REPOSITORY, "rev-parse", "b^{commit}"])).trim(),
      );
      assert.equal(only.system, await world.toplevel("a", world.prod));
      assert.deepEqual(
        only.directories.map(({ directory, kind, steady, there }) => [
          ...[directory, kind],
          ...[steady, there],
        ]),
        [
          [DATA, "tar", true, true],
          [LIBRARY, "tar", true, true],
        ],
      );
      const [kept] = only.directories;
      assert.equal(
        (await world.prod.must(["sha256sum", kept?.path ?? ""])).slice(0, 64),
        kept?.sha256,
      );
      assert.ok((kept?.size ?? 0) >= 300_000);
    });

    it("for people is a row and what it holds, without Pulumi's backend", async () => {
      const { code, output } = await promote(["data", "list"], {
        env: { PULUMI_BACKEND_URL: "file:///nowhere", COLUMNS: "80" },
      });
      assert.equal(code, 0);
      assert.match(
        output,
        new RegExp(`^${name}  \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\dZ  [0-9a-f]{12}`, "m"),
      );
      assert.match(output, /^ {4}\/opt\/choiros\/data: \d+\.\d KiB, archive of \d+\.\d KiB$/m);
      for (const line of output.split("\n")) assert.ok(line.length <= 80, line);
    });
  });

  describe("data restore", () => {
    it("says what it replaces and stops, and that the backup is whole; without an answer nothing changes", async () => {
      const [changed, before] = [await sums(), await invocations(world.prod)];
      const { code, output } = await promote(["data", "restore", name]);
      assert.equal(code, 5, output);
      assert.match(
        output,
        /choiros-prod gets back what it had at .* before [0-9a-f]{12} hypervisor 1\.5/,
      );
      assert.match(output, /\/opt\/choiros\/data: .* What is there now is moved aside, and stays/);
      assert.match(
        output,
        /Stopped meanwhile, if they run: hypervisor\.service, container@sandbox-live/,
      );
      assert.match(
        output,
        /The data are of \S+, and choiros-prod runs \S+\. If that cannot read them, roll back/,
      );
      assert.match(output, /ok the backup is whole, and there is room for it/);
      assert.match(output, new RegExp(`promote data restore ${name} --stack prod --yes`));
      assert.equal(await sums(), changed);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
    });

    it("with a no in a terminal changes nothing either", async () => {
      const changed = await sums();
      const { code, output } = await promote(["data", "restore", name], {
        answers: [[/\[y\/N\]/, "n\r"]],
      });
      assert.equal(code, 5, output);
      assert.equal(await sums(), changed);
    });

    it("brings one directory back and no other, stops what it was told to, and moves what was there aside", async () => {
      const changed = await sums();
      await sh(`echo more >>${LIBRARY}/index`);
      const before = await invocations(world.prod);
      const said = await document<{
        outcome: string;
        directories: { directory: string; aside: string }[];
        sight: { health: string };
      }>(0, [
        ...["data", "restore", name, "--directory", DATA],
        ...["--stop", "hypervisor.service", "--yes"],
      ]);
      assert.deepEqual([said.outcome, said.sight.health], ["restored", "healthy"]);
      const [restored, ...others] = said.directories;
      assert.deepEqual([restored?.directory, others], [DATA, []]);
      assert.equal(await sums(), original);
      assert.equal(await sums(restored?.aside), changed);
      assert.equal(await sh(`cat ${LIBRARY}/index`), "books\nmore\n");
      assert.deepEqual(
        touched(before, await invocations(world.prod)).filter((unit) => unit !== JOB),
        ["hypervisor.service"],
      );
    });

    it("is in the ledger with who did it, is no release, and a preview changes nothing for it", async () => {
      const { records, past } = await document<{ records: LedgerRecord[]; past: { id: string }[] }>(
        0,
        ["history"],
      );
      assert.deepEqual(
        [
          records[0]?.mode,
          records[0]?.outcome,
          records[0]?.by?.stack,
          records[0]?.restored?.backup,
        ],
        ["restore-data", "restored", "prod", name],
      );
      assert.equal(past[0]?.id, name);
      assert.match(await world.preview("prod"), /6 unchanged\n/);
    });

    it("refuses a damaged backup, with --yes and without, before anything is stopped", async () => {
      const [now, before] = [await sums(), await invocations(world.prod)];
      const archive = `/var/lib/nixos-promote/backups/${name}/1.tar.*`;
      await sh(
        `cp -p ${archive} /root/; f=$(ls ${archive}); printf x | dd of=$f bs=1 seek=1000 conv=notrunc status=none`,
      );
      try {
        for (const yes of [[], ["--yes"]]) {
          const { error } = await document<{ error: { message: string } }>(1, [
            ...["data", "restore", name, ...yes],
          ]);
          assert.match(
            error.message,
            /The backup \S+ of \/opt\/choiros\/data is damaged: its sha256 is another one.*Nothing was changed\. Take another one/,
          );
        }
      } finally {
        await sh(`cp -p /root/1.tar.* /var/lib/nixos-promote/backups/${name}/`);
      }
      assert.equal(await sums(), now);
      assert.deepEqual(touched(before, await invocations(world.prod)), []);
    });

    it("refuses where there is no room, an archive that is gone, and what was never backed up", async () => {
      const now = await sums();
      const refused = async (code: number, args: string[], says: RegExp) => {
        const { error } = await document<{ error: { message: string } }>(code, [
          ...["data", "restore", ...args, "--yes"],
        ]);
        assert.match(error.message, says);
      };
      await refused(2, ["activate-no"], /has no backup activate-no\. It has: activate-/);
      await refused(2, [name, "--directory", "/etc"], /does not hold \/etc\. It holds: \/opt/);
      await refused(2, [name, "--stop", "a b"], /--stop takes the name of a unit/);
      const index = `/var/lib/nixos-promote/backups/${name}/index`;
      await sh(
        `cp -p ${index} /root/index; sed -i 's/\\t[0-9]*\\tyes$/\\t99999999999999\\tyes/' ${index}`,
      );
      await refused(
        1,
        [name],
        /needs 95367431 MiB beside what is there now, and only \d+ MiB are free/,
      );
      await sh(`cp -p /root/index ${index}; mv ${index.replace("index", "1.tar")}* /root/`);
      await refused(1, [name], /1\.tar\.\S+, the backup of \/opt\/choiros\/data, is gone/);
      await sh(`mv /root/1.tar.* /var/lib/nixos-promote/backups/${name}/`);
      assert.equal(await sums(), now);
    });

    it("refuses another machine than the pinned one, and waits for nobody who is busy", async () => {
      world.configure("prod", /(name: choiros-prod\n)/, `$1    machineId: ${"f".repeat(32)}\n`);
      const wrong = await promote(["data", "restore", name, "--yes"]);
      world.configure("prod", `    machineId: ${"f".repeat(32)}\n`, "");
      assert.equal(wrong.code, 1, wrong.output);
      assert.match(wrong.output, /is the machine [0-9a-f]{32}, not \[host\.machineId\] f{32}/);
      await sh(`systemd-run --quiet --unit=${JOB} sleep 60`);
      const busy = await promote(["data", "restore", name, "--yes"]);
      await sh(`systemctl stop ${JOB}`);
      assert.equal(busy.code, 1, busy.output);
      assert.match(busy.output, /The host is busy.*Nothing was changed|busy/s);
    });

    it("ends with 2 where it is asked for something else", async () => {
      for (const args of [
        ["data"],
        ["data", "restore"],
        ["data", "drop", name],
        ["data", "list", name],
      ])
        assert.equal((await promote(args)).code, 2, args.join(" "));
    });
  });
});
