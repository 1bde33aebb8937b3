import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import type { LabHost } from "../../lab/lab.ts";
import { assertRuns, eventually, pointers, World } from "./world.ts";

/** The time between a healthy start and the commit, in which these tests break things. */
const SOAK_SECONDS = 3;

describe("whatever is cut off while prod activates a release", function () {
  this.timeout(300_000);
  let world: World;
  let a: string;
  let b: string;

  before("release a on both hosts, b on grind", async () => {
    world = await World.open();
    world.configure("prod", /(name: hypervisor, kind: http,)/, `$1 soakSeconds: ${SOAK_SECONDS},`);
    a = await world.toplevel("a", world.prod);
    b = await world.toplevel("b", world.prod);
    await world.up("grind");
    await world.up("prod");
    await world.push("b");
    await world.up("grind");
  });

  after("the lab goes", async () => {
    await world?.close();
  });

  describe("01 the network to prod, for a while", () => {
    it("is waited for: the release is confirmed and committed", async () => {
      const up = world.up("prod");
      await step(world.prod, "health");
      await world.prod.cutNetwork();
      assert.equal(await answers(world.prod), false, "the network is not cut");
      await step(world.prod, "await-confirmation");
      assert.equal((await pointers(world.prod)).profile, a);
      await world.prod.restoreNetwork();
      await up;
      await assertRuns(world.prod, b);
    });
  });

  describe("02 the network to prod, for longer than the confirmation may take", () => {
    it("makes prod roll back by itself", async () => {
      await promoteOnGrind("a");
      configureConfirm(4);
      const up = world.failingUp("prod");
      // Before the host waits for a confirmation: that may come at once.
      await step(world.prod, "health", () => world.prod.cutNetwork());
      assert.equal(await answers(world.prod), false, "the network is not cut");
      await step(world.prod, "await-confirmation");
      await eventually("prod has rolled back", () => isIdle(world.prod), 60);
      await assertRuns(world.prod, b);
      assert.equal((await world.login(world.grind)).status, 200);
      await world.prod.restoreNetwork();
      const output = await up;
      assert.match(output, /No confirmation came within 4 s/);
      assert.match(output, /It rolled back by itself/);
    });

    it("is told by the next preview, and repaired by the next up", async () => {
      assert.equal((await world.profile("prod")).outputs.live.currentSystem, b);
      assert.match(await world.preview("prod"), /hypervisor: 1\.5\.0 -> 1\.4\.0/);
      await world.up("prod");
      await assertRuns(world.prod, a);
      configureConfirm(60);
    });
  });

  describe("03 the Pulumi CLI, by SIGKILL", () => {
    let orphans: number[] = [];

    after("what Pulumi itself leaves when it is killed goes", () => {
      for (const pid of orphans.filter(isOfThisLab)) process.kill(pid);
    });

    it("leaves prod with one system or the other, but not in between", async () => {
      await promoteOnGrind("b");
      const child = startUp();
      await step(world.prod, "health");
      orphans = pids().filter((pid) => pid !== child.pid && isOfThisLab(pid));
      assert.notDeepEqual(orphans.filter(isProvider), [], "no provider runs");
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("close", resolve));
      assert.equal(child.signalCode, "SIGKILL");
      assert.equal(await isIdle(world.prod), false, "the activation was over already");
      await eventually("the activation has ended", () => isIdle(world.prod), 90);
      const { currentSystem } = await pointers(world.prod);
      assert.ok([a, b].includes(currentSystem), currentSystem);
      await assertRuns(world.prod, currentSystem);
      assert.equal((await world.login(world.prod)).status, 200);
    });

    it("leaves no provider behind once the activation is over", async () => {
      const alive = () => orphans.filter((pid) => isOfThisLab(pid) && isProvider(pid));
      await eventually("the provider has ended", () => alive().length === 0);
    });

    it("is mended by `pulumi cancel` and `pulumi up`", async () => {
      await world.project.must(["cancel", "--yes", "prod"]);
      await world.up("prod");
      await assertRuns(world.prod, b);
      assert.match(await world.preview("prod"), /6 unchanged\n/);
    });
  });

  describe("04 prod's power, between test and commit", () => {
    it("brings prod back on the old system, and up says that it was cut off", async () => {
      await promoteOnGrind("a");
      const up = world.failingUp("prod");
      await step(world.prod, "health");
      assert.equal((await pointers(world.prod)).currentSystem, a);
      await world.prod.powerCut();
      assert.equal(world.prod.isRunning(), false, "the power is on");
      await world.prod.boot();
      await assertRuns(world.prod, b);
      assert.match(await up, /activate-\S+ on choiros-prod was cut off in step health/);
    });

    it("is repaired by the next up", async () => {
      await world.up("prod");
      await assertRuns(world.prod, a);
      assert.equal((await world.login(world.prod)).status, 200);
    });
  });

  async function promoteOnGrind(revision: string): Promise<void> {
    await world.push(revision);
    await world.up("grind");
  }

  const configureConfirm = (seconds: number) =>
    world.configureActivation("prod", `timeouts: {confirm: ${seconds}}`);

  /** `pulumi up` as a child of ours, to be killed. */
  function startUp(): ChildProcess {
    const { directory } = world.project;
    const env = {
      ...process.env,
      ...world.lab.env,
      PULUMI_BACKEND_URL: `file://${directory}/state`,
    };
    const argv = ["up", "--yes", "--skip-preview", "--stack", "prod", "--non-interactive"];
    return spawn("pulumi", argv, { cwd: directory, env, stdio: "ignore" });
  }

  function isOfThisLab(pid: number): boolean {
    const mark = `NIXOS_PROMOTE_SSH_CONFIG=${world.lab.dir}/ssh_config`;
    return pid !== process.pid && text(`/proc/${pid}/environ`).includes(mark);
  }
});

function isProvider(pid: number): boolean {
  return /providers\/nixos\/main\.ts/.test(text(`/proc/${pid}/cmdline`));
}

/** Waits until the host's activation is at a step; the host itself is asked, not over the network. */
async function step(
  host: LabHost,
  name: string,
  then: () => Promise<void> = async () => {},
): Promise<void> {
  const script =
    'cat "/var/lib/nixos-promote/jobs/$(cat /var/lib/nixos-promote/activation)/status.json"';
  const isThere = async () => {
    if (await isIdle(host)) return false;
    const { stdout } = await host.exec(["sh", "-c", script]);
    return stdout.includes(`"step":"${name}"`);
  };
  await eventually(`${host.name} is at the step ${name}`, isThere, 60);
  await then();
}

/** Does no activation run on the host? */
async function isIdle(host: LabHost): Promise<boolean> {
  const { code } = await host.exec(["systemctl", "is-active", "-q", "nixos-promote-activate"]);
  return code !== 0;
}

/** Does the host's sshd answer over the network? */
function answers(host: LabHost): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.address, port: 22, timeout: 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", () => end(true));
    for (const sign of ["timeout", "error", "close"]) socket.once(sign, () => end(false));
  });
}

function pids(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

function text(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
