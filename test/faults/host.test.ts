import assert from "node:assert/strict";
import type { Ended } from "../../lab/project.ts";
import { assertRuns, eventually, isActive, pointers } from "../e2e/world.ts";
import { gateBefore, holdPreflight } from "./gates.ts";
import { fault, type Row, says } from "./row.ts";
import { confirmWithin, soak } from "./stage.ts";

const UNIT = "nixos-promote-activate.service";

describe("prod itself", () => {
  fault("H01 the activation is killed", {}, async (row) => {
    const up = row.up({ change: soak(6) });
    await row.at("health");
    await row.shell(`systemctl kill --signal=KILL ${UNIT}`);
    await row.isIdle();
    row.told(
      await up,
      /activate-\S+ on .* was cut off in step health/,
      /choiros-prod runs \S+ and would boot \S+\. `pulumi up` puts the host right/,
    );
    const { currentSystem, profile, bootDefault } = await pointers(row.prod);
    const seen = { currentSystem, profile, bootDefault };
    const trial = { currentSystem: row.wanted, profile: row.before, bootDefault: row.before };
    assert.deepEqual(seen, trial, "what is not proven is not the boot default");
    const preview = await row.stage.world.preview("prod");
    says({ output: preview }, /its last transaction was cut off in step health/);
  });

  fault("H02 the power is cut in the preflight", {}, (row) =>
    holdPreflight(row, async (gate) => {
      const up = row.up();
      await gate.reached();
      await cutOff(row, up, "preflight");
    }),
  );

  fault(
    "H03 the power is cut while the activation script runs",
    { release: "slow-migration" },
    async (row) => {
      const up = row.up();
      const script = ["pgrep", "-f", `${row.wanted}/activate`];
      const runs = async () => (await row.prod.exec(script)).code === 0;
      await row.until("the activation script runs", runs);
      assert.equal(await isActive(row.prod, "hypervisor.service"), false);
      await cutOff(row, up, "test");
    },
  );

  fault("H04 the power is cut while the health is proven", {}, async (row) => {
    const up = row.up({ change: soak(6) });
    await row.at("health");
    assert.equal((await pointers(row.prod)).currentSystem, row.wanted);
    await cutOff(row, up, "health");
  });

  fault("H05 the power is cut while it waits for the confirmation", {}, async (row) => {
    const up = row.up({ change: soak(1) });
    await row.at("health");
    await row.prod.cutNetwork();
    await row.at("await-confirmation");
    await cutOff(row, up, "await-confirmation");
  });

  fault("H06 the power is cut in the commit, between profile and boot default", {}, (row) =>
    gateBefore(row, "boot", row.wanted, async (gate) => {
      const up = row.up();
      await gate.reached();
      const { profile, bootDefault } = await pointers(row.prod);
      assert.deepEqual({ profile, bootDefault }, { profile: row.wanted, bootDefault: row.before });
      await restart(row);
      assert.equal((await pointers(row.prod)).currentSystem, row.before);
      row.told(
        await up,
        /was cut off in step commit/,
        /if its boot loader leads there: it could not be written for/,
      );
    }),
  );

  fault("H07 the power is cut in the rollback", { release: "bad-activate" }, (row) =>
    gateBefore(row, "test", row.before, async (gate) => {
      const up = row.up();
      await gate.reached();
      assert.equal((await pointers(row.prod)).currentSystem, row.wanted);
      await cutOff(row, up, "rollback");
    }),
  );

  fault("H08 the power is cut right after the commit", {}, async (row) => {
    await row.committed(await row.up());
    await restart(row);
    await assertRuns(row.prod, row.wanted);
    assert.match(await row.stage.world.preview("prod"), /unchanged/);
  });

  fault("H09 it is shut down in the middle, and started again", {}, async (row) => {
    const up = row.up({ change: soak(6) });
    await row.at("health");
    await row.prod.exec(["systemctl", "poweroff"]);
    await eventually("prod is off", () => !row.prod.isRunning());
    await row.stage.boot();
    await assertRuns(row.prod, row.before);
    row.told(await up, /was cut off in step health/);
  });

  fault("H10 somebody stops the unit of the activation", {}, async (row) => {
    const up = row.up({ change: soak(6) });
    await row.at("health");
    await row.shell(`systemctl stop ${UNIT}`);
    await row.rolledBack(await up, /Cancelled/);
  });

  fault("H11 somebody activates another system meanwhile", {}, async (row) => {
    const up = row.up({ change: soak(1, confirmWithin(30)) });
    await row.at("health");
    await row.prod.cutNetwork();
    await row.at("await-confirmation");
    await row.shell(`${row.before}/bin/switch-to-configuration test`);
    assert.equal((await pointers(row.prod)).currentSystem, row.before);
    await row.prod.restoreNetwork();
    await row.rolledBack(await up, /Somebody else has activated/);
  });

  fault("H12 the clock jumps ahead by a day, and back by two", {}, async (row) => {
    const clock = "/var/lib/lab-clock.sh";
    await row.prod.must(["tee", clock], { input: CLOCK });
    await row.shell(`systemctl set-environment BASH_ENV=${clock}`);
    try {
      const up = row.up({ change: soak(3) });
      await row.at("health");
      const ahead = clockOf(row);
      assert.ok(ahead > Date.now() / 1000 + 80_000, `${ahead} is not ahead`);
      await row.shell(`kill -USR1 "$(systemctl show --value -p MainPID ${UNIT})"`);
      await eventually("it has jumped back", () => clockOf(row) < Date.now() / 1000 - 80_000);
      await row.committed(await up);
    } finally {
      await row.shell(`systemctl unset-environment BASH_ENV; rm ${clock}`);
    }
  });

  fault("H13 the builder loses its power during the activation", {}, async (row) => {
    const { grind } = row.stage;
    const up = row.up({ change: soak(2) });
    await row.at("health");
    await grind.powerCut();
    assert.equal(grind.isRunning(), false);
    await row.committed(await up).finally(() => grind.boot());
  });
});

/** What the shells of units take for the time; a shell that gets SIGUSR1 goes back by two days. */
const CLOCK = `start=$(date +%s); unset EPOCHSECONDS; EPOCHSECONDS=$((start + 86400))
trap 'EPOCHSECONDS=$((EPOCHSECONDS - 2 * 86400))' USR1
`;

function clockOf(row: Row): number {
  return row.status()?.at ?? Number.NaN;
}

/** The power goes in a step, and comes again: prod runs what it ran, and the operator is told where it was. */
async function cutOff(row: Row, up: Promise<Ended>, step: string): Promise<void> {
  await restart(row);
  await assertRuns(row.prod, row.before);
  row.told(await up, new RegExp(`activate-\\S+ on .* was cut off in step ${step}`));
}

async function restart(row: Row): Promise<void> {
  await row.prod.powerCut();
  assert.equal(row.prod.isRunning(), false, "the power is on");
  await row.stage.boot();
}
