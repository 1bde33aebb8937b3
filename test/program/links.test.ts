import assert from "node:assert/strict";
import { systemProfileInputs } from "../../contract/resources.ts";
import { PLAN, resolved, runProgram } from "../support/program.ts";
import { EVALUATION, GRIND, MANIFEST, pathOf, REV, SYSTEM_B } from "../support/samples.ts";

const taken = { rev: REV, subject: EVALUATION.subject, manifest: MANIFEST, builder: GRIND };
const offer = { release: taken, healthy: true };
const links = {
  directory: "/opt/choiros/bin",
  files: { hypervisor: { component: "hypervisor", file: "bin/hypervisor" } },
  restart: ["hypervisor.service"],
};
const component = pathOf("hypervisor-1.5.0");

function run(activation: object, more: object = {}) {
  const config = { "choiros:activation": activation };
  return runProgram({ stack: "prod", offer, config, ...more });
}

describe("a stack with links", () => {
  it("copies the component like the system, then gives both to one transaction", async () => {
    const ran = await run({ links });
    const copied = ran.resources.filter(({ type }) => type === "nixos:index:Closure");
    assert.deepEqual(copied.map(({ name, inputs }) => [name, inputs["path"]]).sort(), [
      ["choiros-prod-closure", SYSTEM_B],
      ["choiros-prod-closure-hypervisor", component],
    ]);
    const inputs = ran.inputsOf("nixos:index:SystemProfile");
    assert.equal(inputs["toplevel"], SYSTEM_B);
    assert.deepEqual(inputs["links"], {
      ...links,
      files: { hypervisor: `${component}/bin/hypervisor` },
      components: [component],
    });
    systemProfileInputs.parse(inputs);
    assert.equal(ran.resources.at(-1)?.type, "nixos:index:SystemProfile");
  });

  it("with the strategy links copies no system and switches to none", async () => {
    const ran = await run({ strategy: "links", links });
    assert.equal(ran.inputsOf("nixos:index:Closure")["path"], component);
    const inputs = ran.inputsOf("nixos:index:SystemProfile");
    assert.deepEqual([inputs["strategy"], inputs["toplevel"]], ["links", undefined]);
    systemProfileInputs.parse(inputs);
    const release = (await resolved(ran.outputs["release"])) as { toplevel: unknown };
    assert.equal(release.toplevel, null);
    assert.equal(await resolved(ran.outputs["healthy"]), true);
  });

  it("in a preview shows what becomes of the links of a host whose system stays", async () => {
    const change = [{ name: "hypervisor", from: null, to: `${component}/bin/hypervisor` }];
    const plan = { ...PLAN, from: SYSTEM_B, to: SYSTEM_B, links: change };
    const ran = await run({ strategy: "links", links }, { preview: true, plan });
    assert.deepEqual(ran.logged, [PLAN.text]);
    const asked = ran.calls.find(({ token }) => token === "nixos:index:getPlan")?.inputs;
    assert.equal("toplevel" in (asked ?? {}), false);
  });

  it("refuses a component that the release does not ship", async () => {
    const wrong = { ...links, files: { x: { component: "sandbox", file: "bin/sandbox" } } };
    await assert.rejects(
      run({ links: wrong }),
      /\[activation\.links\.files\] release 9ace77e00000 ships no component sandbox; it ships hypervisor\. Add it/,
    );
  });
});

describe("a stack whose host builds for itself", () => {
  it("copies nothing, and names checkout, revision and the system that must come out", async () => {
    const ran = await run({
      strategy: "flake",
      ...{ checkout: { directory: "/opt/choiros/workspace" }, timeouts: { build: 900 } },
    });
    assert.ok(!ran.resources.some(({ type }) => type === "nixos:index:Closure"));
    const inputs = ran.inputsOf("nixos:index:SystemProfile");
    assert.equal(inputs["strategy"], "flake");
    assert.deepEqual(inputs["checkout"], {
      directory: "/opt/choiros/workspace",
      name: "choiros-prod",
    });
    assert.deepEqual([inputs["rev"], inputs["toplevel"]], [REV, SYSTEM_B]);
    assert.equal((inputs["timeouts"] as { build: number }).build, 900);
    systemProfileInputs.parse(inputs);
    assert.equal(systemProfileInputs.safeParse({ ...inputs, checkout: undefined }).success, false);
  });
});

describe("a stack that does not run its release yet", () => {
  it("is not healthy, so nobody takes its release over", async () => {
    const live = { currentSystem: pathOf("other") };
    const ran = await run({ mode: "boot" }, { live });
    assert.equal(await resolved(ran.outputs["healthy"]), false);
  });
});
