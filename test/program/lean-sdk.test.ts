import assert from "node:assert/strict";
import log from "@pulumi/pulumi/log/index.js";
import * as sdk from "@pulumi/pulumi/runtime/debuggable.js";
import * as state from "@pulumi/pulumi/runtime/state.js";

interface Debuggable {
  debuggablePromise(promise: Promise<unknown>, context: string): Promise<unknown>;
}
interface State {
  getStore(): { leakCandidates: Set<unknown> };
}

describe("Pulumi's SDK in a program of ours", () => {
  const debuggable = () => (sdk as unknown as { default: Debuggable }).default;
  const { getStore } = (state as unknown as { default: State }).default;
  const limit = Error.stackTraceLimit;

  before("as start.ts loads it first", () => import("../../components/lean-sdk.ts"));

  it("keeps no text of where a promise was made, and still knows those that never end", async () => {
    const never = new Promise(() => {});
    debuggable().debuggablePromise(never, "where it was made");
    const kept = never as unknown as { _debugStackTrace: string; _debugCtx: string };
    assert.deepEqual([kept._debugStackTrace, kept._debugCtx], ["Error", ""]);
    assert.ok(getStore().leakCandidates.delete(never));
    const ends = Promise.resolve(7);
    assert.equal(await debuggable().debuggablePromise(ends, ""), 7);
    assert.ok(!getStore().leakCandidates.has(ends));
  });

  it("leaves the stack traces of errors as they are", () => {
    assert.equal(Error.stackTraceLimit, limit);
    assert.match(new Error("said").stack ?? "", /^Error: said\n +at .*lean-sdk\.test\.ts:\d+:\d+/);
  });

  it("has no mapping of stack traces, whoever asks for one", () => {
    Error.prepareStackTrace = () => "mapped";
    assert.notEqual(new Error("said").stack, "mapped");
  });

  it("sends no messages for debugging", async () => {
    assert.equal(await log.debug("registering"), undefined);
    assert.doesNotMatch(log.debug.toString(), /engine/);
  });
});
