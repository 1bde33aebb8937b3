import assert from "node:assert/strict";
import type { LabHost } from "../../lab/lab.ts";
import {
  assertRuns,
  invocations,
  journalEnd,
  pointers,
  roots,
  switchesSince,
  touched,
  World,
} from "./world.ts";

/** With this the operator knows no host by ssh. */
const WITHOUT_SSH = { NIXOS_PROMOTE_SSH_CONFIG: "/dev/null" };
const OVER_SSH = "{kind: ssh, host: choiros-prod}";

describe("the same hosts over ssh and over AWS SSM", function () {
  this.timeout(200_000);
  let world: World;
  const over = ({ instanceId }: LabHost) =>
    `{kind: awsSsm, instanceId: ${instanceId}, region: eu-central-1}`;

  before("release a on both hosts, over ssh", async function () {
    this.timeout(600_000);
    world = await World.open({ ssm: true });
    await world.up("grind");
    await world.up("prod");
  });

  after("the lab goes", () => world?.close());

  describe("01 from ssh to SSM", () => {
    it("is an update in place that proves the machine, restarts nothing and copies nothing", async () => {
      world.connect("prod", over(world.prod));
      const preview = await world.preview("prod");
      assert.match(preview, /~ +.*SystemProfile.*connection/);
      assert.doesNotMatch(preview, /replace|restart|copy /);
      await changesNothing(() => world.up("prod"));
      assert.deepEqual((await world.profile("prod")).inputs.connection, {
        kind: "awsSsm",
        instanceId: world.prod.instanceId,
        region: "eu-central-1",
      });
    });

    it("is all there is to do", async () => {
      assert.match(await world.preview("prod"), /6 unchanged\n/);
    });
  });

  describe("02 over SSM alone", () => {
    before("grind too, and ssh is gone", async () => {
      world.configure("grind", /\{kind: ssh, host: choiros-grind\}/g, over(world.grind));
      await world.up("grind");
      const ended = await world.project.pulumi(["preview", "--stack", "prod"], {
        env: WITHOUT_SSH,
      });
      assert.equal(ended.code, 0, ended.output);
    });

    it("a release is built on grind and promoted to prod", async () => {
      await world.push("b");
      await world.up("grind", { env: WITHOUT_SSH });
      await assertRuns(world.grind, await world.toplevel("b", world.grind));
      await world.up("prod", { env: WITHOUT_SSH });
      await assertRuns(world.prod, await world.toplevel("b", world.prod));
      assert.equal((await world.login(world.prod)).status, 200);
    });

    it("a bad one is rolled back, and its diagnostics come over SSM", async () => {
      const { currentSystem } = await pointers(world.prod);
      await world.push("c-prod");
      await world.up("grind", { env: WITHOUT_SSH });
      const output = await world.failingUp("prod", { env: WITHOUT_SSH });
      assert.match(output, /did not take release .*rolled back by itself/s);
      assert.match(output, /== Journal of/);
      await assertRuns(world.prod, currentSystem);
    });

    it("a switch goes on when the SSM agent restarts in the middle of a command", async () => {
      await world.push("a");
      await world.up("grind", { env: WITHOUT_SSH });
      await world.lab.ssm.inject({
        restart: { worker: "lives", afterMilliseconds: 200, times: 3 },
        duplicate: { when: "after", times: 3 },
      });
      await world.up("prod", { env: WITHOUT_SSH });
      const { happened } = await world.lab.ssm.state();
      assert.deepEqual([happened.restart, happened.duplicate], [3, 3]);
      await world.lab.ssm.inject({});
      await assertRuns(world.prod, await world.toplevel("a", world.prod));
    });

    it("an instance that is offline is said to be, with the setting, and nothing is changed", async () => {
      await world.lab.ssm.stop(world.prod.instanceId);
      const output = await world.failingUp("prod", { env: WITHOUT_SSH });
      assert.match(output, /\[host\.connection\] i-\S+ in eu-central-1: its SSM agent is offline/);
      await world.lab.ssm.resume(world.prod.instanceId);
    });
  });

  describe("03 to another machine", () => {
    it("is refused with both identities, and neither machine is touched", async () => {
      world.connect("prod", over(world.grind));
      const hosts = [world.grind, world.prod];
      const before = await Promise.all(hosts.map(invocations));
      const output = await world.failingUp("prod");
      assert.match(output, new RegExp(`another machine \\(${world.grind.machineId}\\)`));
      assert.ok(output.includes(world.prod.machineId), output);
      assert.deepEqual(await Promise.all(hosts.map(invocations)), before);
    });
  });

  describe("04 from SSM to ssh", () => {
    it("is an update in place that restarts nothing and copies nothing", async () => {
      world.connect("prod", OVER_SSH);
      await changesNothing(() => world.up("prod"));
      assert.deepEqual((await world.profile("prod")).inputs.connection, {
        kind: "ssh",
        host: "choiros-prod",
      });
      assert.match(await world.preview("prod"), /6 unchanged\n/);
    });
  });

  async function changesNothing(work: () => Promise<unknown>): Promise<void> {
    const state = async () => [await pointers(world.prod), await roots(world.prod)];
    const [before, units, journal] = [
      await state(),
      await invocations(world.prod),
      await journalEnd(world.prod),
    ];
    await work();
    assert.deepEqual(await state(), before);
    assert.deepEqual(touched(units, await invocations(world.prod)), []);
    assert.deepEqual(await switchesSince(world.prod, journal), []);
  }
});
