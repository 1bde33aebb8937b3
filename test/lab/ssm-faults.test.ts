import assert from "node:assert/strict";
import type { Faults } from "../../lab/ssm/faults.ts";
import { eventually, fails, SsmWorld } from "./ssm-world.ts";

describe("a script sent over SSM", function () {
  this.timeout(120_000);
  let world: SsmWorld;

  before("a lab with an endpoint", async function () {
    this.timeout(600_000);
    world = await SsmWorld.open();
  });

  beforeEach(() => world.settle());

  after(() => world?.close());

  /** Proves that the fault happened, that the script's answer came, and that it ran once. */
  async function runsOnce(fault: Faults, takes = "", timeoutSeconds = 20): Promise<void> {
    await world.lab.ssm.inject(fault);
    const { script, runs } = world.counted(takes);
    assert.equal(await world.run(script, "", timeoutSeconds), "1\n");
    for (const name of Object.keys(fault)) await world.happened(name as keyof Faults);
    assert.equal(await runs(), 1);
  }

  describe("runs once and answers", () => {
    it("when calls are throttled", () => runsOnce({ throttle: { times: 3 } }));

    it("when its status is throttled for longer than the SDK is patient", () =>
      runsOnce({ throttle: { operation: "GetCommandInvocation", times: 7 } }));

    it("when SSM shows late that it has ended", () => runsOnce({ late: { milliseconds: 4000 } }));

    for (const when of ["during", "after"] as const)
      it(`when it is delivered a second time, ${when} its run`, async () => {
        const fault = { duplicate: { when, times: 1 } };
        await world.lab.ssm.inject(fault);
        const { script, runs } = world.counted("sleep 2");
        assert.equal(await world.run(script), "1\n");
        await eventually(async () => {
          const command = (await world.lab.ssm.state()).commands.at(-1);
          return command?.deliveries === 2 && command.reports === 2;
        });
        assert.equal(await runs(), 1);
      });

    it("when SSM takes its command and forgets it", () =>
      runsOnce({ lose: { how: "vanish", times: 1 } }));

    it("when SSM never tells that its command has ended", () =>
      runsOnce({ lose: { how: "stuck", times: 1 } }, "", 1));

    for (const [what, worker] of [
      ["", "lives"],
      [", and what watched the script dies", "dies"],
      [", and has forgotten the command, which it begins anew", "again"],
    ] as const)
      it(`when the agent restarts while it runs${what}`, () =>
        runsOnce({ restart: { worker, afterMilliseconds: 500, times: 1 } }, "sleep 3"));
  });

  describe("does not run a second time", () => {
    it("when it was killed with the agent: it is said that it was cut off", async () => {
      await world.lab.ssm.inject({
        restart: { worker: "killed", afterMilliseconds: 500, times: 1 },
      });
      const { script, runs } = world.counted("sleep 3");
      await fails("lost", /was ended there before it was done/, world.run(script));
      await world.happened("restart");
      assert.equal(await runs(), 1);
    });

    it("when it takes too long: it is ended there", async () => {
      const { script, runs } = world.counted("sleep 60");
      await fails("timeout", /no answer within 1 s/, world.run(script, "", 1));
      assert.equal(await runs(), 1);
      assert.equal(await world.isRunning("sleep 60"), false);
    });

    it("when it only reads and we are about to go: it is cancelled, and what changes the host is not", async () => {
      const executor = world.executor();
      const patience = { timeoutSeconds: 60, fresh: false };
      const reading = executor.run("sleep 51", "", { ...patience, endsWithUs: true });
      const changing = executor.run("sleep 3; echo changed", "", patience);
      reading.catch(() => {});
      await eventually(() => world.isRunning("sleep 51"));
      await executor.abandon?.();
      await fails("lost", /was cancelled in SSM/, reading);
      assert.equal(await changing, "changed\n");
      await eventually(async () => !(await world.isRunning("sleep 51")));
      executor.close();
    });

    it("when we go: it is cancelled", async () => {
      const executor = world.executor();
      const running = executor.run("sleep 50", "", { timeoutSeconds: 60, fresh: false });
      running.catch(() => {});
      await world.begun();
      await eventually(() => world.isRunning("sleep 50"));
      executor.close();
      await fails("lost", /was cancelled in SSM/, running);
      await eventually(async () => !(await world.isRunning("sleep 50")));
    });
  });

  it("does not run at all when no agent takes it in time, and that is said", async () => {
    await world.lab.ssm.inject({ lose: { how: "undelivered", times: 1 } });
    const { script, runs } = world.counted();
    await fails(
      "unreachable",
      /took no command within 60 s \(deliveryTimeoutSeconds\), so nothing was run/,
      world.run(script),
    );
    await world.happened("lose");
    assert.equal(await runs(), 0);
  });
});
