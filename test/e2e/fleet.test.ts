import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { Ended } from "../../lab/project.ts";
import { FleetWorld } from "./fleet-world.ts";

// Numbered steps of one story: six hosts in three waves of one, two and three. Each bad start of a release is followed by
// the `up` that goes on, so that every step begins with all hosts on one release.
describe("a fleet of six hosts in three waves", function () {
  this.timeout(600_000);
  let world: FleetWorld;
  let [a, b] = ["", ""];

  before("the lab", async () => {
    world = await FleetWorld.open();
    [a, b] = [await world.toplevel("a"), await world.toplevel("b")];
  });
  after("the lab goes", () => world?.lab.close());

  /** What each host runs, by the letter of the release. */
  async function letters(): Promise<string> {
    const systems = await world.systems();
    return systems.map((path) => (path === a ? "a" : path === b ? "b" : `?${path}`)).join("");
  }

  async function must(): Promise<Ended> {
    const ended = await world.up();
    assert.equal(ended.code, 0, ended.output);
    return ended;
  }

  async function fails(): Promise<string> {
    const ended = await world.up();
    assert.notEqual(ended.code, 0, ended.output);
    return ended.output;
  }

  it("01 takes its first release, each wave after the one before", async () => {
    const { output } = await must();
    assert.equal(await letters(), "aaaaaa");
    const at = (what: string) => {
      const found = output.indexOf(what);
      assert.ok(found > 0, `${what} is not in:\n${output}`);
      return found;
    };
    const order = [
      ...[
        "choiros-prod-1-closure created",
        "canary-ready created",
        "choiros-prod-1-system created",
      ],
      ...["canary-settled created", "choiros-prod-2-closure created", "east-ready created"],
      ...[
        "choiros-prod-3-system created",
        "east-settled created",
        "choiros-prod-5-closure created",
      ],
      ...["rest-ready created", "choiros-prod-6-system created", "rest-settled created"],
    ];
    const places = order.map(at);
    assert.deepEqual(
      places,
      [...places].sort((x, y) => x - y),
    );
    const builds = (await world.recorded()).filter(({ type }) => type === "nixos:index:Build");
    assert.equal(builds.length, 1);
  });

  it("02 has nothing to do then, and its state holds no closure lists", async () => {
    const { output } = await must();
    assert.match(output, /unchanged/);
    assert.doesNotMatch(output, /updated|created/);
    const hosts = (await world.recorded()).filter(({ urn }) => /choiros-prod-\d/.test(urn));
    const perHost = JSON.stringify(hosts).length / 6;
    assert.ok(perHost < 12_000, `${perHost} bytes of state for each host`);
  });

  it("03 shows the waves of the next release in a preview, and touches nothing", async () => {
    await world.push("b");
    const { output } = await world.project.must(["preview", "--stack", "fleet"]);
    for (const gate of ["canary-ready", "canary-settled", "east-settled", "rest-settled"])
      assert.match(output, new RegExp(`Gate ${gate} update`));
    assert.equal(await letters(), "aaaaaa");
  });

  it("04 stop: the canary fails, and is the only host that was touched", async () => {
    await world.sicken(world.host(1), b);
    const output = await fails();
    assert.match(output, /choiros-prod-1 did not take release/);
    assert.match(output, /The wave canary failed, and \[fleet\.onFailure\] is stop/);
    assert.equal(await letters(), "aaaaaa");
  });

  it("05 stop: one of two fails in the second wave; the others stay where they are", async () => {
    await world.heal(world.host(1));
    await world.sicken(world.host(3), b);
    const output = await fails();
    assert.match(output, /choiros-prod-3 did not take release/);
    assert.equal(await letters(), "bbaaaa");
  });

  it("06 rollbackWave: two of three fail in the last wave; the third goes back, earlier waves stay", async () => {
    await world.heal(world.host(3));
    await world.sicken(world.host(4), b);
    await world.sicken(world.host(6), b);
    world.configure({ onFailure: "rollbackWave" });
    const output = await fails();
    assert.match(output, /choiros-prod-5 went back: choiros-prod-5 runs \S+ and would boot/);
    assert.match(output, /left there: choiros-prod-3/);
    assert.equal(await letters(), "bbbaaa");
  });

  it("07 goes on with the hosts that are left, once they are healed", async () => {
    await world.heal(world.host(4));
    await world.heal(world.host(6));
    const { output } = await must();
    assert.equal(await letters(), "bbbbbb");
    assert.doesNotMatch(output, /choiros-prod-[123]-system updat/);
  });

  it("08 rollbackAll: one host of the last wave is cut off; no other of its wave is begun, all others go back", async () => {
    await world.push("a");
    world.configure({ onFailure: "rollbackAll" });
    const ending = world.up({
      onOutput: (text) => {
        if (/east-settled updating/.test(text)) void world.host(5).cutNetwork();
      },
    });
    const { code, output } = await ending;
    await world.host(5).restoreNetwork();
    assert.notEqual(code, 0, output);
    for (const host of [1, 2, 3])
      assert.match(output, new RegExp(`choiros-prod-${host} went back`));
    assert.equal(await letters(), "bbbbbb");
    const systems = output.match(/choiros-prod-[456]-system updating/g);
    assert.equal(systems, null, "a host of the last wave was begun");
  });

  it("09 the CLI is killed between waves: every host keeps what it has proven, and the next `up` goes on", async () => {
    world.configure({ onFailure: "rollbackAll" });
    let killed = false;
    const child = spawn(
      "pulumi",
      [
        "--non-interactive",
        "--color",
        "never",
        "up",
        "--yes",
        "--skip-preview",
        "--stack",
        "fleet",
      ],
      { cwd: world.project.directory, env: world.project.environment, detached: true },
    );
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (killed || !/canary-settled updated/.test(text)) return;
      killed = true;
      child.kill("SIGKILL");
    });
    await ended;
    assert.ok(killed, "it ended before it was killed");
    const between = await letters();
    assert.ok(/^a[ab]{2}bbb$/.test(between), between);
    await world.project.must(["cancel", "--yes", "--stack", "fleet"]);
    const { output } = await must();
    assert.equal(await letters(), "aaaaaa");
    assert.doesNotMatch(output, /choiros-prod-1-system updat/);
  });

  it("10 leaves hosts alone that are not among the chosen", async () => {
    await world.push("b");
    world.configure({}, { only: { groups: ["east"] } });
    await must();
    assert.equal(await letters(), "bbbaaa");
  });

  it("11 rollbackWave: a host falls ill in the soak, which all of its wave had reached", async () => {
    world.configure({ onFailure: "rollbackWave", soakSeconds: 6 });
    const { code, output } = await world.up({
      onOutput: (text) => {
        if (/rest-settled updating/.test(text)) void world.sicken(world.host(6), b);
      },
    });
    assert.notEqual(code, 0, output);
    assert.match(output, /The wave rest is not settled:\s+choiros-prod-6: judge is not healthy/);
    assert.equal(await letters(), "bbbaaa");
  });
});
