import assert from "node:assert/strict";
import { eventually, isActive } from "../e2e/world.ts";
import { aroundSwitch } from "./gates.ts";
import { fault, type Row, says } from "./row.ts";
import type { Settings } from "./stage.ts";

const START_LIST = "/run/nixos/start-list";

describe("a switch that does not end with 0", () => {
  fault("S01 a check forbids it (exit 1)", { release: "bad-check" }, async (row) => {
    const ended = await row.up();
    await row.refused(ended, /the database is older than this release can read|Pre-switch checks/);
    await endedWith(row, 1);
  });

  fault("S02 the activation script fails (exit 2)", { release: "bad-activate" }, async (row) => {
    await row.rolledBack(await row.up(), /activation script of the release failed \(exit 2\)/);
    await endedWith(row, 2);
  });

  fault("S03 a unit fails (exit 4)", { release: "bad-unit" }, async (row) => {
    const ended = await row.up();
    await row.rolledBack(ended, /Units did not start as they should \(exit 4\)/);
    says(ended, /HYPERVISOR_DATABASE_URL is not set/);
    await endedWith(row, 4);
  });

  fault(
    "S04 a unit and the activation script fail (exit 4 hides a 2)",
    { release: "bad-both" },
    async (row) => {
      await row.rolledBack(await row.up(), /activation script of the release failed \(exit 4/);
      await endedWith(row, 4);
    },
  );

  fault(
    "S05 only a reboot can take the release (exit 100)",
    { release: "boot-only" },
    async (row) => {
      await row.refused(await row.up(), /reboot/);
      const dryRun = [`${row.wanted}/bin/switch-to-configuration`, "dry-activate"];
      assert.equal((await row.prod.exec(dryRun)).code, 100);
    },
  );

  fault("S06 it panics after it has stopped units (exit 101)", {}, (row) => {
    const panic = `if [[ $1 == test && $TOPLEVEL == ${row.wanted} ]]; then
      echo "stopping the following units: hypervisor.service" >&2
      systemctl stop hypervisor.service
      systemctl is-active hypervisor.service >/var/lib/lab-panic
      exit 101
    fi`;
    return aroundSwitch(row, panic, async () => {
      await row.rolledBack(await row.up(), /panicked \(exit 101\)/);
      assert.equal(row.file("/var/lib/lab-panic").trim(), "inactive");
    });
  });

  fault("S07 another one holds the lock", {}, async (row) => {
    const lock = "/run/nixos/switch-to-configuration.lock";
    await row.shell(`systemd-run --quiet --unit=lab-lock flock ${lock} sleep 60`);
    const free = ["flock", "--nonblock", lock, "true"];
    await eventually("the lock is held", async () => (await row.prod.exec(free)).code !== 0);
    try {
      await row.refused(await row.up(), /Another switch-to-configuration .*holds its lock/);
    } finally {
      await row.shell("systemctl stop lab-lock");
    }
  });

  fault("S08 it takes longer than it may", { release: "slow-migration" }, async (row) => {
    const up = row.up({
      change: ({ activation }) => {
        activation.timeouts.switch = 1;
      },
    });
    await activating(row);
    assert.equal(await isActive(row.prod, "hypervisor.service"), false);
    await row.rolledBack(await up, /did not end within its time/);
  });

  fault(
    "S09 it is killed, and its activation script goes on as an orphan",
    { release: "slow-migration" },
    async (row) => {
      // So long that the orphan's end would come before the end of the rollback.
      const up = row.up({ change: grace(5) });
      await activating(row);
      const orphaned = `orphan=$(pgrep -o -f "$1/activate")
        kill -KILL $(pgrep -f '^/usr/bin/python3 .*switch-to-configuration test$')
        kill -0 "$orphan"`;
      await row.shell(orphaned, row.wanted);
      await row.rolledBack(await up, /was killed \(exit 137\)/);
    },
  );

  fault(
    "S10 a unit file that nobody can read wedges every later switch",
    { release: "wedge-503" },
    async (row) => {
      const up = row.up();
      const dryRun = [`${row.before}/bin/switch-to-configuration`, "dry-activate"];
      const wedged = /Failed to parse systemd unit file .*broken\.service/;
      await eventually(
        "no switch is possible",
        async () =>
          (await isActive(row.prod, "broken.service")) &&
          wedged.test((await row.prod.exec(dryRun)).stderr),
        60,
      );
      await row.rolledBack(await up, /is not healthy: 503|cannot be parsed/);
      assert.equal(await isActive(row.prod, "broken.service"), false);
    },
  );

  fault("S11 a foreign nixos-rebuild is switching", {}, async (row) => {
    const unit = "nixos-rebuild-switch-to-configuration.service";
    await row.shell(`systemd-run --quiet --unit=${unit} sleep 60`);
    assert.ok(await isActive(row.prod, unit));
    try {
      await row.refused(await row.up(), /nixos-rebuild is switching this host now/);
    } finally {
      await row.shell(`systemctl stop ${unit}`);
    }
  });

  fault(
    "S12 an earlier one was killed and has left a start-list and a stopped unit",
    {},
    async (row) => {
      await row.shell(`systemctl stop hypervisor.service; echo hypervisor.service >${START_LIST}`);
      assert.equal(await isActive(row.prod, "hypervisor.service"), false);
      await row.committed(await row.up());
      assert.notEqual((await row.prod.exec(["test", "-s", START_LIST])).code, 0);
    },
  );
});

/** The first probe begins late, after a rollback too. */
function grace(graceSeconds: number): (settings: Settings) => void {
  return ({ health }) => {
    Object.assign(health[0] ?? {}, { graceSeconds });
  };
}

/** What the log of the job says of its first switch. */
async function endedWith(row: Row, code: number): Promise<void> {
  const log = row.file(`/var/lib/nixos-promote/jobs/${row.lastJob}/log`);
  const [, first] = /switch-to-configuration test ended with (\d+)/.exec(log) ?? [];
  assert.equal(first, `${code}`);
}

/** Resolves while the activation script of `slow-migration` runs. */
async function activating(row: Row): Promise<void> {
  const script = ["pgrep", "-f", `${row.wanted}/activate`];
  await eventually(
    "the activation script runs",
    async () => (await row.prod.exec(script)).code === 0,
    60,
  );
}
