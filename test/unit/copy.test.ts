import assert from "node:assert/strict";
import type { ClosureInputs, Transport } from "../../contract/resources.ts";
import { closeExecutors, useExecutor } from "../../providers/executors/index.ts";
import { closure } from "../../providers/nixos/closure.ts";
import { silent } from "../../providers/nixos/engine.ts";
import { forgetObservations } from "../../providers/nixos/observation.ts";
import { LITTLE } from "../../providers/nixos/parts.ts";
import { type Call, FakeExecutor } from "../support/fake-executor.ts";
import { GRIND, hostState, PROD, pathOf, SYSTEM_A, SYSTEM_B } from "../support/samples.ts";

const MEBIBYTE = 1048576;
const DIRECT: Transport = { via: "direct", builder: GRIND, to: "choiros-prod" };

describe("the questions of a copy straight from the builder", () => {
  let host: FakeExecutor;
  let builder: FakeExecutor;
  let isThere: boolean;
  let free: number;
  /** What the paths that the host may lack hold. */
  let bytes: number;

  beforeEach(() => {
    [isThere, free, bytes] = [false, 2 ** 40, MEBIBYTE];
    host = new FakeExecutor({
      observe: () => hostState({ currentSystem: SYSTEM_A, paths: { [SYSTEM_A]: true } }),
      missing: () => ({ missing: [SYSTEM_B], free }),
      root,
    });
    builder = new FakeExecutor({
      describe: () => ({
        ...{ valid: true, nixosVersion: null, closure: [[SYSTEM_B, bytes]], units: {} },
        ...{ kernel: null, initrd: null, kernelParams: null, initInterface: null },
        inhibitors: null,
      }),
      start: (call) => ({ started: true, id: call.argument.get("id"), ...finished(call) }),
    });
    forgetObservations();
    useExecutor(PROD, host);
    useExecutor(GRIND, builder);
  });

  after(() => {
    closeExecutors();
    forgetObservations();
  });

  /** As root.sh does it. */
  const root = () =>
    isThere ? {} : { error: { code: "invalid-path", message: "Not valid.", details: { free } } };

  /** As push.sh does it. */
  function finished({ argument }: Call): object {
    const most = of("atMost", argument);
    const result =
      most !== undefined && bytes > Number(most) ? { exceeds: bytes } : { copied: 1, seconds: 0.1 };
    isThere = "copied" in result;
    const status = { state: "finished", version: 1, step: "copy", message: "" };
    return { ...status, result, exitCode: 0, logTail: null };
  }

  /** A line of the argument of the job itself. */
  function of(key: string, argument = asked(builder).at(-1)?.argument): string | undefined {
    const lines = (argument?.get("argument") ?? "").split("\n");
    return lines.find((line) => line.startsWith(`${key}\t`))?.slice(key.length + 1);
  }

  const asked = (executor: FakeExecutor) => executor.calls;
  const names = (executor: FakeExecutor) => executor.calls.map(({ command }) => command);
  const bring = (more: Partial<ClosureInputs> = {}) =>
    closure.create(
      { connection: PROD, path: SYSTEM_B, transport: DIRECT, timeoutSeconds: 60, ...more },
      silent,
    );

  it("are one where nothing is missing, beside what was seen of the host anyway", async () => {
    isThere = true;
    await bring();
    assert.deepEqual(names(host), ["observe", "root"]);
    await bring();
    assert.deepEqual(names(host).slice(2), ["root"]);
    assert.deepEqual(names(builder), []);
  });

  it("are no more than this, the copy and its proof where little is missing", async () => {
    await bring({ diskMarginMiB: 64 });
    assert.deepEqual(names(host), ["observe", "root", "root"]);
    assert.deepEqual(names(builder), ["start"]);
    assert.equal(of("atMost"), `${LITTLE}`);
    assert.equal(of("has.0"), SYSTEM_A);
  });

  it("leave the margin of the host's disk alone", async () => {
    free = 100 * MEBIBYTE;
    await bring({ diskMarginMiB: 64 });
    assert.equal(of("atMost"), `${36 * MEBIBYTE}`);
  });

  it("ask what is missing where that may be much, or may find no room", async () => {
    bytes = LITTLE + 1;
    await bring();
    assert.deepEqual(names(builder), ["start", "describe", "start"]);
    assert.deepEqual(names(host), ["observe", "root", "missing", "root"]);
    assert.equal(of("atMost"), undefined);
    assert.equal(of("bytes"), `${bytes}`);
  });

  it("end with a refusal where there is no room, and nothing is started", async () => {
    free = 10 * MEBIBYTE;
    const refused = bring({ diskMarginMiB: 64 });
    await assert.rejects(refused, /has 10 MiB free for its Nix store; the copy takes 1 MiB/);
    assert.deepEqual(names(builder), ["describe"]);
  });

  it("ask again when another has begun a copy of the same that we follow, and that one declined", async () => {
    bytes = LITTLE + 1;
    let turn = 0;
    const start = (call: Call) => {
      const result = turn++ < 2 ? { exceeds: bytes } : { copied: 1, seconds: 0.1 };
      const ended = finished(call);
      isThere = "copied" in result;
      return { started: true, id: call.argument.get("id"), ...ended, result };
    };
    const describe = { valid: true, nixosVersion: null, closure: [[SYSTEM_B, 1]], units: {} };
    const nothing = { kernel: null, initrd: null, kernelParams: null, initInterface: null };
    builder = new FakeExecutor({
      describe: () => ({ ...describe, ...nothing, inhibitors: null }),
      start,
    });
    useExecutor(GRIND, builder);
    await bring();
    assert.deepEqual(names(builder), ["start", "describe", "start", "start"]);
  });

  it("name nothing that the host does not have for sure", async () => {
    const gone = pathOf("gone");
    const seen = hostState({ currentSystem: gone, paths: { [gone]: false } });
    host = new FakeExecutor({ observe: () => seen, root });
    useExecutor(PROD, host);
    await bring();
    assert.equal(of("has.0"), undefined);
  });
});
