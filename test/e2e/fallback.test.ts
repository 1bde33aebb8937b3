import assert from "node:assert/strict";
import type { LabHost } from "../../lab/lab.ts";
import { type Changes, during, errorsIn, leavesAlone, withSettings } from "./faults.ts";
import { RunningUp, reachStep } from "./running-up.ts";
import { assertRuns, eventually, isActive, pointers, World } from "./world.ts";

const SSH = { kind: "ssh", host: "choiros-prod", connectTimeoutSeconds: 2 };
const UNIT = "caddy.service";

describe("a host with two ways", function () {
  this.timeout(200_000);
  let world: World;
  let prod: LabHost;
  const ssm = ({ instanceId }: LabHost) => ({ kind: "awsSsm", instanceId, region: "eu-central-1" });
  const routes = (connection: object, fallback: object, machineId = prod.machineId): Changes => ({
    ...{ "host.connection": connection, "host.fallback": fallback, "host.machineId": machineId },
  });

  before("release a on both hosts, over ssh", async function () {
    this.timeout(600_000);
    world = await World.open({ ssm: true });
    prod = world.prod;
    await world.up("grind");
    await world.up("prod");
  });

  after("the lab goes", () => world?.close());

  it("is refused without its machine id, which is named", async () => {
    const { "host.machineId": _none, ...changes } = routes(SSH, ssm(prod));
    const ended = await withSettings(world, "prod", changes, () => run("preview"));
    assert.match(ended.output, /\[choiros:host\.machineId\] must be given where there is a \[host/);
  });

  describe("01 ssh, and SSM for when it is closed", () => {
    it("is an update in place, which tells of no detour as long as ssh is open", async () => {
      const output = await over(routes(SSH, ssm(prod)), () => up());
      assert.doesNotMatch(output, /Going over/);
      const { connection } = (await world.profile("prod")).inputs;
      const { machineId } = prod;
      assert.deepEqual(connection, {
        ...{ kind: "either", primary: SSH, fallback: ssm(prod), machineId },
      });
    });

    it("goes over SSM when sshd is down: preview and transaction, with a warning", () =>
      over(routes(SSH, ssm(prod)), () =>
        withoutSshd(async () => {
          const detour =
            /warning: \[host\.connection\] choiros-prod: nothing answers there\..*Going over \[host\.fallback\], i-\S+ in eu-central-1, which leads to the same machine/;
          const preview = await run("preview");
          assert.match(preview.output, detour);
          assert.match(preview.output, /6 unchanged\n/);
          await prod.must(["systemctl", "stop", UNIT]);
          const output = await up();
          assert.match(output, detour);
          assert.match(output, /SystemProfile.*updated/);
          assert.ok(await isActive(prod, UNIT), "it was not repaired");
        }),
      ));

    it("shows no change when ssh is back", () =>
      over(routes(SSH, ssm(prod)), async () => {
        const { output } = await run("preview");
        assert.match(output, /6 unchanged\n/);
        assert.doesNotMatch(output, /Going over/);
      }));

    it("does not change its way in the middle: what ssh does not confirm is rolled back", () =>
      over({ ...routes(SSH, ssm(prod)), "activation.timeouts.confirm": 3, ...SOAK }, async () => {
        await world.push("b");
        await world.up("grind");
        const before = (await pointers(prod)).currentSystem;
        const running = new RunningUp(world);
        await reachStep(prod, "health");
        await withoutSshd(() =>
          eventually(
            "it is rolled back",
            async () => {
              const idle = ["systemctl", "is-active", "-q", "nixos-promote-activate"];
              return (await prod.exec(idle)).code !== 0;
            },
            60,
          ),
        );
        assert.notEqual(await running.ended, 0);
        assert.match(running.output, /No confirmation came within 3 s/);
        await assertRuns(prod, before);
      }));

    it("says of both in one error when both are closed, and touches nothing", () =>
      over(routes(SSH, ssm(prod)), () =>
        withoutSshd(() =>
          withoutAgent(async () => {
            const ended = await leavesAlone(prod, () => run("up", "--yes", "--skip-preview"));
            assert.notEqual(ended.code, 0);
            assert.match(
              errorsIn(ended),
              /\[host\.connection\] choiros-prod: nothing answers.*\[host\.fallback\] i-\S+ in eu-central-1: its SSM agent is offline/,
            );
          }),
        ),
      ));

    it("refuses another machine behind SSM with both identities, and touches neither", () =>
      over(routes(SSH, ssm(world.grind)), () =>
        withoutSshd(async () => {
          const ended = await leavesAlone(world.grind, () =>
            leavesAlone(prod, () => run("up", "--yes", "--skip-preview")),
          );
          assert.notEqual(ended.code, 0);
          const said = errorsIn(ended);
          assert.match(said, /\[host\.fallback\] leads to another machine/);
          for (const { machineId } of world.lab.hosts) assert.ok(said.includes(machineId), said);
        }),
      ));
  });

  describe("02 SSM, and ssh for when it is closed", () => {
    it("goes over ssh when the agent is offline: a release is promoted, with a warning", () =>
      over(routes(ssm(prod), SSH), () =>
        withoutAgent(async () => {
          const output = await up();
          assert.match(
            output,
            /warning: \[host\.connection\] i-\S+ in eu-central-1: its SSM agent is offline.*Going over \[host\.fallback\], choiros-prod, which leads to the same machine/s,
          );
          await assertRuns(prod, await world.toplevel("b", prod));
          assert.match((await run("preview")).output, /6 unchanged\n/);
        }),
      ));

    it("shows no change when SSM is back", () =>
      over(routes(ssm(prod), SSH), async () => {
        const { output } = await run("preview");
        assert.match(output, /6 unchanged\n/);
        assert.doesNotMatch(output, /Going over/);
      }));
  });

  function over<T>(changes: Changes, work: () => Promise<T>): Promise<T> {
    return withSettings(world, "prod", changes, work);
  }

  async function up(): Promise<string> {
    return (await world.up("prod")).output;
  }

  function run(...command: string[]) {
    return world.project.pulumi([...command, "--stack", "prod"]);
  }

  function withoutSshd<T>(work: () => Promise<T>): Promise<T> {
    const sshd = (verb: string) => prod.must(["systemctl", verb, "ssh.service"]);
    const end = ["bash", "-c", "systemctl stop ssh.service; pkill -KILL sshd || true"];
    return during(
      () => prod.must(end),
      () => sshd("start"),
      work,
    );
  }

  function withoutAgent<T>(work: () => Promise<T>): Promise<T> {
    const { ssm: agents } = world.lab;
    return during(
      () => agents.stop(prod.instanceId),
      () => agents.resume(prod.instanceId),
      work,
    );
  }
});

/** The time in which a test closes a way. */
const SOAK: Changes = { "health.1.soakSeconds": 4 };
