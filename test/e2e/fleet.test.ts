import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EXIT } from "../../cli/exit-code.ts";
import { fleetPlan } from "../../contract/fleet-plan.ts";
import type { Ended } from "../../lab/project.ts";
import { during } from "./faults.ts";
import { FleetWorld } from "./fleet-world.ts";
import { isIdle } from "./running-up.ts";

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

  it("12 takes releases from a cache, three hosts over ssh and three over AWS SSM, and tells those that are alike once", async () => {
    await world.heal(world.host(6));
    await world.push("a");
    const cache = await world.serveCache();
    const ssm = [4, 5, 6].map((number) => {
      const { name, instanceId } = world.host(number);
      return [name, { connection: { kind: "awsSsm", instanceId, region: "eu-central-1" } }];
    });
    const copy = { via: "cache", caches: [cache] };
    world.configure({ waves: [] }, { copy }, Object.fromEntries(ssm));
    await must();
    assert.equal(await letters(), "aaaaaa");
    // One that no host has ever had.
    await world.push("new-unit");
    await world.build("new-unit");
    const { output } = await world.project.must(["preview", "--stack", "fleet"]);
    assert.match(output, /rest[^:]*\):\s+6 hosts \(choiros-prod-1, [^)]*choiros-prod-6\): /);
    assert.equal(output.match(/ copy +\d+ paths/g)?.length, 1, output);
    assert.match(output, /paths, [\d.]+ KiB from http:\S+, which the builder fills first/);
    await must();
    const newest = await world.toplevel("new-unit");
    assert.deepEqual(await world.systems(), Array(6).fill(newest));
    await world.push("b");
    await must();
    assert.equal(await letters(), "bbbbbb");
  });

  it("13 relays a release to the one host that is the target", async () => {
    await world.push("a");
    world.configure({ waves: [] }, { copy: { via: "relay" } });
    const { code, output } = await world.up({}, ["--target", "**::choiros-prod-2-*"]);
    assert.equal(code, 0, output);
    assert.equal(await letters(), "babbbb");
  });

  it("14 takes it to the hosts of a tag, and asks nothing of the others", async () => {
    const relayed = { copy: { via: "relay" }, only: { tags: ["edge"] } };
    world.configure({ waves: [] }, relayed, { "choiros-prod-4": { tags: ["edge"] } });
    const preview = await world.project.must(["preview", "--stack", "fleet"]);
    assert.match(preview.output, /^ +choiros-prod-4: \w+ -> /m);
    assert.doesNotMatch(preview.output, /\d hosts \(/);
    await must();
    assert.equal(await letters(), "bababb");
  });

  it("15 Ctrl-C in the middle of a wave: hosts at it go back or have proven it, nobody else is begun, and the next `up` goes on", async () => {
    world.configure({ waves: [], maxInFlight: 2, onFailure: "rollbackAll" });
    const interrupt = new AbortController();
    const { code, output } = await world.up({
      interrupt: interrupt.signal,
      onOutput: (text) => {
        if (/choiros-prod-[1356]-system .*(activating|waiting)/.test(text)) interrupt.abort();
      },
    });
    assert.ok(interrupt.signal.aborted, `no activation was seen:\n${output}`);
    assert.notEqual(code, 0, output);
    for (const host of world.hosts) assert.ok(await isIdle(host), `${host.name} is still at it`);
    const now = await letters();
    assert.match(now, /^[ab]a[ab]a[ab]{2}$/);
    const still = [1, 3, 5, 6].filter((number) => now[number - 1] === "b");
    assert.ok(still.length >= 2, now);
    const late = output.match(/choiros-prod-\d was left as it was: .* before it was begun/g);
    assert.ok((late?.length ?? 0) >= 2, output);
    assert.doesNotMatch(output, /choiros-prod-\d went back/);
    const next = await must();
    assert.equal(await letters(), "aaaaaa");
    assert.doesNotMatch(next.output, /choiros-prod-[24]-system updat/);
  });

  it("16 keeps a plan of all hosts, which is the same as text, JSON and Markdown", async () => {
    await world.push("b");
    world.configure({});
    const promote = async (...args: string[]) => {
      const ended = await world.project.promote(args);
      assert.equal(ended.code, 0, ended.output);
      return ended.stdout;
    };
    const file = `${world.project.directory}/plan.json`;
    const text = await promote("plan", "--stack", "fleet", "-o", file);
    assert.match(text, /^wave canary: 1 host\nchoiros-prod-1: /m);
    assert.match(text, /^wave rest: 3 hosts\n3 hosts \(choiros-prod-4, [^)]*\): .*\n {2}system/m);
    const kept = fleetPlan.parse(JSON.parse(await promote("plan", file, "--json")));
    assert.deepEqual(
      kept.waves.map(({ name, groups }) => [name, groups.map(({ hosts }) => hosts.length)]),
      [
        ["canary", [1]],
        ["east", [2]],
        ["rest", [3]],
      ],
    );
    for (const { name, machineId } of world.hosts) {
      assert.equal(kept.hosts[name]?.machineId, machineId);
      assert.deepEqual([kept.hosts[name]?.currentSystem, kept.hosts[name]?.to], [a, b]);
    }
    assert.match(await promote("plan", file, "--markdown"), /#### Wave rest: 3 hosts/);
    const applied = await world.project.promote(["--plan", file, "--yes"]);
    assert.notEqual(applied.code, 0);
    assert.match(applied.output, /plan of a stack with many hosts.*Nothing was touched/s);
    assert.equal(await letters(), "aaaaaa");
  });

  it("17 says of each host what it runs and how it is, also while one of them is away", async () => {
    const status = async (code: number) => {
      const ended = await world.project.promote(["status", "--stack", "fleet", "--json"]);
      assert.equal(ended.code, code, ended.output);
      const { stacks } = JSON.parse(ended.stdout) as { stacks: Record<string, unknown>[] };
      return stacks.map(({ host, health, currentSystem }) => [host, health, currentSystem]);
    };
    const all: unknown[][] = world.hosts.map(({ name }) => [name, "healthy", a]);
    assert.deepEqual(await status(EXIT.done), all);
    await during(
      () => world.host(3).cutNetwork(),
      () => world.host(3).restoreNetwork(),
      async () => {
        const away = [world.host(3).name, "unreachable", null];
        assert.deepEqual(await status(EXIT.unknown), all.with(2, away));
      },
    );
  });
});
