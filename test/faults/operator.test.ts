import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Project } from "../../lab/project.ts";
import { eventually } from "../e2e/world.ts";
import { gateBefore } from "./gates.ts";
import { signalAll, stateOf } from "./processes.ts";
import { fault, type Row, says } from "./row.ts";
import { confirmWithin, soak } from "./stage.ts";

describe("the operator's side", () => {
  fault("O01 the provider is killed", { unrecorded: true }, async (row) => {
    const up = row.up({ change: soak(2, confirmWithin(2)) });
    await row.at("health");
    await kill(row, "provider");
    const ended = await up;
    row.told(ended, /provider|plugin|connection/i);
    await row.isIdle();
  });

  fault("O02 the CLI is killed", { unrecorded: true }, async (row) => {
    const up = row.up({ change: soak(2, confirmWithin(2)) });
    await row.at("health");
    await kill(row, "cli");
    await up;
    await row.isIdle();
    await eventually("the provider has ended", () => row.operators("provider").length === 0);
    // Pulumi's own, which wait for a CLI that does not come back.
    signalAll(row.operators("any"), "SIGTERM");
    await saysWhatIsNeeded(row);
  });

  fault(
    "O03 the CLI, the provider and all that they started are killed",
    { unrecorded: true },
    async (row) => {
      const up = row.up({ change: soak(2, confirmWithin(2)) });
      await row.at("health");
      await kill(row, "any");
      await up;
      await row.isIdle();
      await saysWhatIsNeeded(row);
      const preview = await row.stage.world.preview("prod");
      assert.match(preview, /nixos:index:SystemProfile +choiros-prod-system +update/);
    },
  );

  fault("O04 the laptop sleeps for longer than any deadline", {}, async (row) => {
    const up = row.up({ change: soak(2, confirmWithin(2)) });
    await row.at("health");
    assert.ok(row.operators("any").length >= 3, "CLI, program and provider");
    await eventually("all of it sleeps", () => {
      signalAll(row.operators("any"), "SIGSTOP");
      return row.operators("any").every((pid) => stateOf(pid) === "T");
    });
    await row.isIdle();
    signalAll(row.operators("any"), "SIGCONT");
    await row.rolledBack(await up, /No confirmation came within 2 s/);
  });

  fault("O05 Ctrl-C, once", {}, async (row) => {
    const control = new AbortController();
    const up = row.up({ change: soak(6), interrupt: control.signal });
    await row.at("health");
    control.abort();
    await row.rolledBack(await up, /Cancelled/);
  });

  fault("O06 Ctrl-C, twice", { unrecorded: true }, async (row) => {
    const control = new AbortController();
    const up = row.up({ change: soak(6, confirmWithin(2)), interrupt: control.signal });
    await row.at("health");
    control.abort();
    await sleep(100);
    signalAll(row.operators("cli"), "SIGINT");
    const ended = await up;
    assert.notEqual(ended.code, 0);
    await row.isIdle();
    await eventually("nothing of it runs on", () => row.operators("any").length === 0);
  });

  fault("O07 two operators at once", {}, async (row) => {
    const other = await secondOperator(row);
    await gateBefore(row, "test", row.wanted, async (gate) => {
      const up = row.up();
      await gate.reached();
      const second = await other.pulumi(UP);
      row.told(second, /choiros-prod is busy with activate-\S+.*'test'/);
      await gate.open();
      await row.committed(await up);
    });
  });

  fault("O08 two runs of the same stack at once", {}, (row) =>
    gateBefore(row, "test", row.wanted, async (gate) => {
      const up = row.up();
      await gate.reached();
      const second = await row.stage.world.project.pulumi(UP);
      assert.notEqual(second.code, 0);
      says(second, /the stack is currently locked/);
      await gate.open();
      await row.committed(await up);
    }),
  );
});

const UP = ["up", "--yes", "--skip-preview", "--stack", "prod"];

async function kill(row: Row, role: "cli" | "provider" | "any"): Promise<void> {
  const victims = row.operators(role);
  assert.notDeepEqual(victims, [], `no ${role} runs`);
  signalAll(victims, "SIGKILL");
  await eventually("they are dead", () => victims.every((pid) => "Zgone".includes(stateOf(pid))));
  assert.ok(await row.isBusy(), "the activation was over already");
}

/** A killed CLI leaves its lock; Pulumi itself names the command that removes it. */
async function saysWhatIsNeeded(row: Row): Promise<void> {
  const { project } = row.stage.world;
  const locked = await project.pulumi(UP);
  assert.notEqual(locked.code, 0);
  says(locked, /the stack is currently locked.*`pulumi cancel`/s);
  await project.must(["cancel", "--yes", "--stack", "prod"]);
}

/** Another checkout with a state of its own that manages the same host. */
async function secondOperator(row: Row): Promise<Project> {
  const { lab } = row.stage.world;
  const other = new Project({ dir: `${lab.dir}/second`, env: lab.env });
  await other.initStacks();
  row.stage.configureOther(other, row.release);
  return other;
}
