import assert from "node:assert/strict";
import { setAllConfig } from "@pulumi/pulumi/runtime/config.js";
import { lookAhead } from "../../components/look-ahead.ts";
import { getHostInputs } from "../../contract/resources.ts";
import { type Ran, runProgram } from "../support/program.ts";
import { EVALUATION, GRIND, MANIFEST, PROD, REV } from "../support/samples.ts";

const release = { rev: REV, subject: EVALUATION.subject, manifest: MANIFEST, builder: GRIND };
const offer = { release, healthy: true };

describe("the start of the program", () => {
  let ran: Ran;

  before(async () => {
    ran = await runProgram({ stack: "prod", offer, from: "start.ts" });
  });

  it("is a look at the host, for all that its contract is about", () => {
    const [first] = ran.calls;
    assert.equal(first?.token, "nixos:index:getHost");
    assert.deepEqual(getHostInputs.parse(first?.inputs), {
      connection: PROD,
      units: [
        "hypervisor.service",
        "container@sandbox-live.service",
        "container@sandbox-dev.service",
        "caddy.service",
      ],
    });
  });

  it("is followed by the whole program, whose outputs are the stack's", async () => {
    const whole = await runProgram({ stack: "prod", offer });
    assert.deepEqual(ran.urns, whole.urns);
    assert.deepEqual(Object.keys(ran.outputs), Object.keys(whole.outputs));
    assert.ok("healthy" in ran.outputs);
  });

  describe("leaves it to others to say", () => {
    it("that the host does not answer", async () => {
      const refuses = { "nixos:index:getHost": "[host.connection] nothing answers there." };
      await runProgram({ stack: "prod", offer, refuses });
      await lookAhead();
    });

    for (const [what, config] of [
      ["that a setting is missing", {}],
      ["that a setting is no JSON", { "choiros:host": "{", "choiros:health": "[]" }],
      ["that a setting is something else", { "choiros:host": "1", "choiros:health": "{}" }],
    ] as const)
      it(what, async () => {
        setAllConfig(config);
        await lookAhead();
      });
  });
});
