import assert from "node:assert/strict";
import { type Ran, runProgram } from "../support/program.ts";
import { EVALUATION, GRIND, MANIFEST, REV } from "../support/samples.ts";

const release = { rev: REV, subject: EVALUATION.subject, manifest: MANIFEST, builder: GRIND };
const offer = { release, healthy: true };

describe("the start of the program", () => {
  let ran: Ran;

  before(async () => {
    ran = await runProgram({ stack: "prod", offer, from: "start.ts" });
  });

  it("is followed by the whole program, whose outputs are the stack's", async () => {
    const whole = await runProgram({ stack: "prod", offer });
    assert.deepEqual(ran.urns, whole.urns);
    assert.deepEqual(Object.keys(ran.outputs), Object.keys(whole.outputs));
    assert.ok("healthy" in ran.outputs);
  });
});
