import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gateInputs } from "../../contract/rollout.ts";
import { parseFleetSettings } from "../../fleet-settings.ts";
import { type Ran, resolved, runProgram } from "../support/program.ts";
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

function run(change: object = {}, preview = false): Promise<Ran> {
  return runProgram({
    ...{ stack: "prod", from: "fleet.ts", offer, preview },
    config: {
      "choiros:host": undefined,
      "choiros:fleet": FLEET,
      "choiros:copy": { via: "direct", maxInFlight: 2 },
      ...change,
    },
  });
}

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

  it("shows all waves in a preview, and asks for a plan of each host", async () => {
    const shown = await run({}, true);
    const waves = shown.registrations.filter(({ type }) => type === "choiros:index:Wave");
    assert.equal(waves.length, 3);
    assert.deepEqual(shown.calls.map(({ inputs }) => inputs["host"]).sort(), ["a", "b", "c", "d"]);
  });

  it("holds hosts that are not chosen, and asks nothing of them", async () => {
    const shown = await run({ "choiros:only": { groups: ["west"] } }, true);
    assert.deepEqual(shown.calls.map(({ inputs }) => inputs["host"]).sort(), ["c", "d"]);
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
