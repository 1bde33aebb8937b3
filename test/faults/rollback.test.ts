import assert from "node:assert/strict";
import { Project } from "../../lab/project.ts";
import { invocations, isActive, pointers, touched } from "../e2e/world.ts";
import { aroundSwitch } from "./gates.ts";
import { fault, type Row, says } from "./row.ts";

const ROOTS = "/nix/var/nix/gcroots/nixos-promote";
const PREVIOUS = "/var/lib/nixos-promote/previous";

describe("the way back", () => {
  fault("R01 the way back is damaged before the switch", {}, async (row) => {
    const program = `${row.before}/bin/switch-to-configuration`;
    await row.shell(`mv "$1" "$1.away"`, program);
    assert.equal(row.exists(program), false);
    try {
      await row.refused(
        await row.up(),
        /is not a NixOS system: it lacks bin\/switch-to-configuration/,
      );
    } finally {
      await row.shell(`mv "$1.away" "$1"`, program);
    }
  });

  fault("R02 the rollback fails too", { release: "c-503" }, (row) => {
    const broken = `if [[ $1 == test && $TOPLEVEL == ${row.before} ]]; then
      echo "Error: No space left on device" >&2
      exit 1
    fi`;
    return aroundSwitch(row, broken, async () => {
      const ended = await row.up();
      row.told(ended, /THE ROLLBACK FAILED TOO/, /so a reboot brings it back/);
      const { currentSystem, profile, bootDefault } = await pointers(row.prod);
      assert.deepEqual([currentSystem, profile, bootDefault], [row.wanted, row.before, row.before]);
      assert.equal(row.recorded.outputs.transaction?.outcome, "rollback-failed");
    });
  });

  fault("R03 the release is the one that runs already", {}, async (row) => {
    await row.committed(await row.up());
    const remembered = row.file(PREVIOUS);
    assert.equal(remembered.trim(), row.before);
    await row.shell("systemctl stop caddy.service");
    await row.committed(await row.up());
    assert.equal(row.file(PREVIOUS), remembered, "the way back leads to itself");
  });

  fault(
    "R04 a host that we never managed gets a bad release first",
    { release: "c-503", spoils: true },
    async (row) => {
      const newcomer = await neverManaged(row);
      const base = (await pointers(row.prod)).currentSystem;
      row.told(await upOf(row, newcomer, "c-503"), /503/, /It rolled back by itself/);
      assert.equal((await pointers(row.prod)).currentSystem, base);
      const mended = await upOf(row, newcomer, "b");
      assert.equal(mended.code, 0, mended.output);
      await row.stage.up("a");
    },
  );

  fault("R05 a host that we never managed runs the release already", {}, async (row) => {
    await row.committed(await row.up());
    const newcomer = await otherProject(row);
    const before = await invocations(row.prod);
    const ended = await upOf(row, newcomer, row.release);
    assert.equal(ended.code, 0, ended.output);
    assert.deepEqual(touched(before, await invocations(row.prod)), [], "it was switched");
  });

  fault("R06 the boot default cannot be written", {}, async (row) => {
    const loader = "/boot/loader";
    await row.shell(`mount --bind -o ro ${loader} ${loader}`);
    try {
      await row.rolledBack(
        await row.up(),
        /The boot default could not be written: .*could not be written for \S+ either/s,
      );
      const doubt = /its boot loader could not be written for \S+, so what it would boot is not/;
      says({ output: await row.stage.world.preview("prod") }, doubt);
    } finally {
      await row.shell(`umount ${loader}`);
    }
  });

  fault("R07 the boot loader fails for the new release only", {}, (row) => {
    const broken = `if [[ $1 == boot && $TOPLEVEL == ${row.wanted} ]]; then
      echo "Failed to install bootloader" >&2
      exit 1
    fi`;
    return aroundSwitch(row, broken, async () => {
      await row.rolledBack(
        await row.up(),
        /The boot default could not be written: Failed to install/,
      );
      assert.ok(await isActive(row.prod, "hypervisor.service"));
    });
  });

  fault("R08 the system that runs is deleted from the store", {}, async (row) => {
    // No collection would: it is a root. A hand, or a damaged disk, does.
    await row.shell(`rm -f ${ROOTS}/*; nix-store --delete --ignore-liveness "$1"`, row.before);
    assert.equal(row.exists(row.before), false);
    await row.refused(
      await row.up(),
      new RegExp(`${row.before}, which the way back leads to, is not valid`),
    );
    await row.stage.up(row.stage.settled);
    assert.ok(row.exists(row.before), "it was not copied again");
  });
});

/** prod without any trace of us, and a project that has never seen it. */
async function neverManaged(row: Row): Promise<Project> {
  await row.stage.reset();
  assert.equal(row.exists("/var/lib/nixos-promote/ledger.jsonl"), false);
  return otherProject(row);
}

async function otherProject(row: Row): Promise<Project> {
  const { lab } = row.stage.world;
  const project = new Project({ dir: `${lab.dir}/newcomer`, env: lab.env });
  await project.initStacks();
  return project;
}

function upOf(row: Row, project: Project, release: string) {
  row.stage.configureOther(project, release);
  return project.pulumi(["up", "--yes", "--skip-preview", "--stack", "prod"]);
}
