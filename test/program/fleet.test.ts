import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fleetPlannedByProgram } from "../../contract/fleet-plan.ts";
import { PLAN_FILE } from "../../contract/plan.ts";
import { getPlanInputs, getWavePlanInputs } from "../../contract/resources.ts";
import { gateInputs } from "../../contract/rollout.ts";
import { parseFleetSettings } from "../../fleet-settings.ts";
import { planDocument } from "../support/plan-samples.ts";
import { type Ran, resolved, runProgram, type World } from "../support/program.ts";
import { EVALUATION, GRIND, MANIFEST, REV } from "../support/samples.ts";
import { parseYaml } from "../support/stack-config.ts";

const offer = {
  release: { rev: REV, subject: EVALUATION.subject, manifest: MANIFEST, builder: GRIND },
  healthy: true,
};

const FLEET = {
  hosts: { a: { tags: ["edge"] }, b: {}, c: { group: "west" }, d: { group: "west" } },
  defaults: { configuration: "choiros-prod", ssh: { user: "root" } },
  waves: [
    { name: "canary", count: 1, soakSeconds: 60 },
    { name: "west", groups: ["west"] },
  ],
  maxInFlight: 3,
  maxUnavailable: "50%",
  onFailure: "rollbackWave",
};

function run(change: object = {}, preview = false, more: Partial<World> = {}): Promise<Ran> {
  return runProgram({
    ...{ stack: "prod", from: "fleet.ts", offer, preview, ...more },
    config: {
      "choiros:host": undefined,
      "choiros:fleet": FLEET,
      "choiros:copy": { via: "direct", maxInFlight: 2 },
      ...change,
    },
  });
}

/** A host as a plan has it, and what will be done to it. */
function planSample() {
  const { host, change } = planDocument();
  const { paths, bytes } = change.copy;
  return { machine: { ...host, name: "c", to: change.to, copy: { paths, bytes } }, change };
}

/** The questions about each wave, with the names of its hosts. */
function asked({ calls }: Ran) {
  return calls
    .map(({ inputs }) => getWavePlanInputs.parse(inputs))
    .map(({ common, hosts }) => {
      const each = hosts.map((own) => getPlanInputs.parse({ ...common, ...own }));
      return { hosts, names: each.map(({ host }) => host).join(" ") };
    });
}
const namesOf = (ran: Ran) =>
  asked(ran)
    .map(({ names }) => names)
    .sort();

describe("the stack of a fleet", () => {
  let ran: Ran;
  before(async () => {
    ran = await run();
  });

  const of = (type: string, name: string) => {
    const found = ran.registrations.find((each) => each.type === type && each.name === name);
    assert.ok(found, `${type} ${name} was not registered`);
    return found;
  };

  it("has a component for each wave, with its hosts and its two gates below", () => {
    const below = (parent: string) =>
      ran.registrations.filter((each) => each.parent === parent).map(({ name }) => name);
    assert.deepEqual(below("choiros:index:Fleet::fleet").sort(), ["canary", "rest", "west"]);
    const wave = "choiros:index:Wave::west";
    const names = ["c", "c", "d", "d", "west-ready", "west-settled"];
    assert.deepEqual(below(wave).sort(), names);
  });

  it("switches no host of a wave before all have the closure, and copies nothing before the wave before has settled", () => {
    const ready = of("nixos:index:Gate", "west-ready").dependsOn;
    for (const closure of ["c-closure", "d-closure"])
      assert.ok(ready.includes(`nixos:index:Closure::${closure}`), closure);
    for (const host of ["c", "d"]) {
      const system = of("nixos:index:SystemProfile", `${host}-system`).dependsOn;
      assert.ok(system.includes("nixos:index:Gate::west-ready"));
      assert.ok(!system.some((urn) => urn.includes(`::${host === "c" ? "d" : "c"}-`)));
      const closure = of("nixos:index:Closure", `${host}-closure`).dependsOn;
      assert.ok(closure.includes("nixos:index:Gate::canary-settled"));
    }
    const settled = of("nixos:index:Gate", "west-settled").dependsOn;
    for (const system of ["c-system", "d-system"])
      assert.ok(settled.includes(`nixos:index:SystemProfile::${system}`), system);
    assert.deepEqual(of("nixos:index:Closure", "a-closure").dependsOn, []);
  });

  it("tells each host with whom it goes, and each gate whom it is about", () => {
    const rollout = {
      ...{ wave: "west", onFailure: "rollbackWave", maxUnavailable: 2 },
      host: "d",
    };
    const system = of("nixos:index:SystemProfile", "d-system").inputs;
    assert.deepEqual(system["rollout"], { ...rollout, maxInFlight: 3 });
    assert.deepEqual(system["connection"], { kind: "ssh", host: "d", user: "root" });
    const closure = of("nixos:index:Closure", "d-closure").inputs;
    assert.deepEqual(closure["rollout"], { ...rollout, maxInFlight: 2 });
    assert.deepEqual(closure["transport"], { via: "direct", to: "d", builder: GRIND });
    const gate = gateInputs.parse(of("nixos:index:Gate", "canary-settled").inputs);
    assert.deepEqual([gate.hosts, gate.soakSeconds], [["a"], 60]);
    assert.deepEqual(Object.keys(gate.after ?? {}), ["a"]);
  });

  it("gives a host of the manifest what is about it, with an id of its own", () => {
    const text = of("nixos:index:SystemProfile", "a-system").inputs["manifest"];
    const manifest = JSON.parse(String(text)) as { hosts: object; id: string };
    assert.deepEqual(Object.keys(manifest.hosts), ["choiros-prod"]);
    assert.notEqual(manifest.id, MANIFEST.id);
  });

  it("says of each host what it runs, and is healthy where all are", async () => {
    assert.equal(await resolved(ran.outputs["healthy"]), true);
    const hosts = (await resolved(ran.outputs["hosts"])) as Record<string, { healthy: boolean }>;
    assert.deepEqual(Object.keys(hosts).sort(), ["a", "b", "c", "d"]);
    assert.equal(hosts["a"]?.healthy, true);
  });

  it("shows all waves in a preview, and asks once for the plan of each, what hosts have in common once", async () => {
    const shown = await run({}, true);
    const waves = shown.registrations.filter(({ type }) => type === "choiros:index:Wave");
    assert.equal(waves.length, 3);
    assert.deepEqual(namesOf(shown), ["a", "b", "c d"]);
    assert.deepEqual(shown.logged.sort(), [
      ...["a: what will change", "b: what will change", "c, d: what will change"],
    ]);
    const west = asked(shown).find(({ names }) => names === "c d");
    assert.deepEqual(Object.keys(west?.hosts[0] ?? {}).sort(), ["connection", "host", "transport"]);
  });

  it("shows the others also where a host cannot be looked at", async () => {
    const message = "c: nothing answers there.";
    const shown = await run({}, true, { wavePlan: { unseen: [{ host: "c", message }] } });
    assert.ok(shown.warned.includes(message), String(shown.warned));
    assert.equal(shown.logged.length, 3);
  });

  it("warns once of a cache that is ill for all of a wave", async () => {
    const group = { hosts: ["c", "d"], text: "c, d: what will change", problems: ["it is ill"] };
    const caches = [{ pull: "https://cache.example.org" }];
    const copy = { via: "cache", caches };
    const shown = await run({ "choiros:copy": copy }, true, {
      wavePlan: { groups: [group, group] },
    });
    assert.equal(shown.warned.filter((warning) => warning === "it is ill").length, 3);
  });

  it("gives the plan of all waves to the command that has asked for it", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fleet-plan-"));
    process.env[PLAN_FILE] = join(directory, "plan");
    try {
      const { machine, change } = planSample();
      const group = { hosts: ["c"], text: "c: what will change", problems: [], change };
      await run({ "choiros:only": { hosts: ["c"] } }, true, {
        wavePlan: { groups: [group], settled: ["d"], machines: [machine] },
      });
      const written = JSON.parse(readFileSync(join(directory, "plan"), "utf8")) as unknown;
      const { waves, hosts, release } = fleetPlannedByProgram.parse(written);
      assert.deepEqual(
        waves.map(({ name, soakSeconds, held }) => [name, soakSeconds, held]),
        [
          ["canary", 60, ["a"]],
          ["west", 0, ["d"]],
          ["rest", 0, ["b"]],
        ],
      );
      assert.deepEqual(waves[1]?.groups[0]?.hosts, ["c"]);
      assert.deepEqual([Object.keys(hosts), release.rev], [[machine.name], REV]);
    } finally {
      delete process.env[PLAN_FILE];
      rmSync(directory, { recursive: true });
    }
  });

  it("holds hosts that are not chosen, and asks nothing of them", async () => {
    const shown = await run({ "choiros:only": { groups: ["west"] } }, true);
    assert.deepEqual(namesOf(shown), ["c d"]);
    const held = shown.registrations
      .filter(({ inputs }) => (inputs["rollout"] as { held?: true } | undefined)?.held)
      .map(({ name }) => name);
    assert.deepEqual(held.sort(), [
      ...["a-closure", "a-system", "b-closure", "b-system"],
      ...["canary-ready", "canary-settled", "rest-ready", "rest-settled"],
    ]);
  });
});

describe("the example of a fleet", () => {
  it("is right", () => {
    const file = new URL("../../docs/examples/Pulumi.fleet.yaml", import.meta.url);
    const { config } = parseYaml(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
    const raw = Object.entries(config).map(([key, value]) => [key.replace("choiros:", ""), value]);
    const { release } = parseFleetSettings(Object.fromEntries(raw));
    assert.deepEqual("hosts" in release && release.hosts, ["db-eu", "db-us", "web"]);
  });
});
