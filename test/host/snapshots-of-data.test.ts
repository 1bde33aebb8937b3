// Backups of data on btrfs, on this machine: a file system of its own in a file.
import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { run } from "../../lab/process.ts";
import { skip } from "../run/skip.ts";
import { OwnState } from "./own-state.ts";

describe("data in a btrfs subvolume", function () {
  this.timeout(60_000);
  let state: OwnState;
  let mounted: string;
  const sh = async (script: string) => {
    const ran = await run(["bash", "-euc", script]);
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stdout;
  };

  before(async function () {
    if (
      (await run(["bash", "-c", "type -P btrfs mkfs.btrfs && grep -q btrfs /proc/filesystems"]))
        .code !== 0
    )
      skip(this, "this machine has no btrfs, or no btrfs-progs");
    state = new OwnState();
    const image = join(state.directory, "image");
    mounted = join(state.directory, "disk");
    mkdirSync(mounted);
    writeFileSync(image, "");
    truncateSync(image, 200 * 1048576);
    await sh(`mkfs.btrfs -q ${image} && mount -o loop ${image} ${mounted}
      btrfs subvolume create ${mounted}/data >&2; mkdir ${mounted}/plain; echo one >${mounted}/data/db; echo one >${mounted}/plain/db`);
  });
  after(async () => {
    if (mounted !== undefined) await sh(`umount ${mounted}`);
    state?.discard();
  });

  const job = (id: string) =>
    `JOB=$STATE/jobs/${id} RUN=$VOLATILE/${id}; mkdir -p "$JOB" "$RUN" "$BACKUPS"; id=${id}`;
  const backUp = (id: string, keepBackups = 3) =>
    state.parts(
      "activate",
      `${job(id)} previous=/nix/store/x before_system=y toplevel=z; check_data; step_backup && echo "$backup_json" >&3`,
      {
        data: {
          directories: [`${mounted}/data`, `${mounted}/plain`],
          backup: "always",
          keepBackups,
        },
      },
    );

  it("is a read-only snapshot beside it; a plain directory is an archive", async () => {
    const said = JSON.parse(await backUp("one")) as {
      directories: { kind: string; path: string }[];
    };
    assert.deepEqual(
      said.directories.map(({ kind }) => kind),
      ["btrfs", "tar"],
    );
    const place = `${mounted}/.nixos-promote-backups/one-data`;
    assert.equal(said.directories[0]?.path, place);
    assert.equal(readFileSync(`${place}/db`, "utf8"), "one\n");
    assert.match(await sh(`btrfs property get -ts ${place} ro`), /ro=true/);
    assert.equal(statSync(`${mounted}/.nixos-promote-backups`).mode & 0o777, 0o700);
  });

  it("comes back as a subvolume that can be written to", async () => {
    writeFileSync(`${mounted}/data/db`, "two\n");
    await state.parts(
      "restore-data",
      `JOB=$STATE/jobs/restore-data-1; mkdir -p "$JOB"; : >"$JOB/card"; exec 4>/dev/null; answer() { printf '%s\\n' "$1" >&3; }; main`,
      { id: "restore-data-1", backup: "one", directories: [`${mounted}/data`] },
    );
    assert.equal(readFileSync(`${mounted}/data/db`, "utf8"), "one\n");
    assert.equal(readFileSync(`${mounted}/data.before-restore-data-1/db`, "utf8"), "two\n");
    writeFileSync(`${mounted}/data/db`, "three\n");
    assert.equal(statSync(`${mounted}/data`).ino, 256);
  });

  it("goes with its backup when that is pruned", async () => {
    rmSync(join(state.directory, "backups/one/previous"));
    await backUp("two", 1);
    await backUp("three", 1);
    const left = readdirSync(`${mounted}/.nixos-promote-backups`).sort();
    assert.deepEqual(left, ["three-data", "two-data"], "the newest, and the first of what runs");
    assert.deepEqual(readdirSync(join(state.directory, "backups")).sort(), ["three", "two"]);
  });
});
