import assert from "node:assert/strict";
import { z } from "zod";
import { description } from "../../contract/description.ts";
import { hostState } from "../../contract/host-state.ts";
import { Failure, inContext } from "../../providers/errors.ts";
import { call } from "../../providers/executors/executor.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import * as samples from "../support/samples.ts";

const answering = (stdout: unknown) => new FakeExecutor({ observe: () => stdout });

async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => assert.fail("it succeeded"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failure, String(error));
  return error;
}

describe("the answer of a host", () => {
  it("is the last line of what its script wrote", async () => {
    const state = samples.hostState();
    const host = answering(`a line that a login shell adds\n${JSON.stringify(state)}\n`);
    assert.deepEqual(await call(host, "observe", {}, hostState), state);
  });

  it("that is an error becomes a refusal in the host's own words, with its code", async () => {
    const host = answering({
      error: { code: "unknown-revision", message: "No revision x.", hint: "Push it." },
    });
    const failure = await failureOf(call(host, "observe", {}, hostState));
    assert.deepEqual(
      [failure.kind, failure.code, failure.message],
      ["refused", "unknown-revision", "No revision x. Push it."],
    );
  });

  it("that is an error without a hint ends with its message", async () => {
    const host = answering({ error: { code: "busy", message: "Busy.", hint: "" } });
    assert.equal((await failureOf(call(host, "observe", {}, hostState))).message, "Busy.");
  });

  const broken: [string, unknown, RegExp][] = [
    ["nothing", "", /fake answered observe with something else than expected/],
    [
      "no JSON",
      "bash: line 1: nix: command not found\n",
      /It said: bash: line 1: nix: command not found/,
    ],
    ["half of a line", '{"hostname":"pro', /It said: \{"hostname":"pro/],
    ["a field of the wrong type", { ...samples.hostState(), failedUnits: "none" }, /failedUnits/],
    ["a field that is missing", { hostname: "prod" }, /machineId/],
    [
      "a unit of the wrong shape",
      samples.hostState({ units: { "a.service": {} as never } }),
      /units/,
    ],
    ["a list", [], /expected object/i],
    ["an error without a message", { error: { code: "x" } }, /It said: .*"code":"x"/],
  ];
  for (const [what, stdout, said] of broken) {
    it(`of ${what} is a failure of the script, and says what the host said`, async () => {
      const failure = await failureOf(call(answering(stdout), "observe", {}, hostState));
      assert.equal(failure.kind, "script");
      assert.match(failure.message, said);
    });
  }

  it("is quoted to 500 characters at most", async () => {
    const failure = await failureOf(call(answering("x".repeat(100_000)), "observe", {}, hostState));
    assert.ok(failure.message.length < 1500, String(failure.message.length));
  });

  it("about a toplevel has a size for every path", () => {
    const told = {
      valid: true,
      nixosVersion: null,
      closure: [[samples.SYSTEM_A, "12"]],
      units: {},
      ...{ kernel: null, initrd: null, kernelParams: null, initInterface: null, inhibitors: null },
    };
    assert.equal(description.safeParse(told).success, false);
    assert.equal(
      description.safeParse({ ...told, closure: [[samples.SYSTEM_A, 12]] }).success,
      true,
    );
  });

  it("is waited for 30 seconds unless more is asked, over the common connection unless a fresh one is", async () => {
    const host = new FakeExecutor({ observe: () => ({}), confirm: () => ({}) });
    await call(host, "observe", {}, z.object({}));
    await call(host, "confirm", {}, z.object({}), { fresh: true, timeoutSeconds: 5 });
    assert.deepEqual(
      host.calls.map(({ options }) => options),
      [
        { timeoutSeconds: 30, fresh: false },
        { timeoutSeconds: 5, fresh: true },
      ],
    );
  });
});

describe("a failure in context", () => {
  it("keeps its kind and code, and has the context in front", () => {
    const failure = inContext("Release main:", new Failure("refused", "no.", { code: "busy" }));
    assert.ok(failure instanceof Failure);
    assert.deepEqual(
      [failure.message, failure.kind, failure.code],
      ["Release main: no.", "refused", "busy"],
    );
  });

  it("that is a mistake of ours stays what it is", () => {
    const mistake = new TypeError("x is undefined");
    assert.equal(inContext("Release main:", mistake), mistake);
    assert.equal(inContext("Release main:", "text").message, "text");
  });
});
