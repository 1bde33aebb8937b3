import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { HostState } from "../../contract/host-state.ts";
import type { ClosureInputs } from "../../contract/resources.ts";
import { storeHash } from "../../contract/store-path.ts";
import { closeExecutors, useExecutor } from "../../providers/executors/index.ts";
import { liveOf } from "../../providers/nixos/drift.ts";
import { forgetObservations, observe, observed } from "../../providers/nixos/observation.ts";
import { service } from "../../providers/nixos/service.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import {
  hostState,
  OTHER_REV,
  PROD,
  SYSTEM_A,
  SYSTEM_B,
  systemInputs,
  unitState,
} from "../support/samples.ts";

const UNIT = "hypervisor.service";
const ROOT = `closure-${storeHash(SYSTEM_B)}`;
const ROOT_A = `closure-${storeHash(SYSTEM_A)}`;
const OTHER_WAY = { ...PROD, user: "root" };
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const SYSTEM = "urn:pulumi:prod::choiros::nixos:index:SystemProfile::choiros-prod-system";
const CLOSURE = "urn:pulumi:prod::choiros::nixos:index:Closure::choiros-prod-closure";

const running = hostState({ paths: { [SYSTEM_B]: true }, roots: { [ROOT]: SYSTEM_B } });
const system = systemInputs();
const systemState = { ...system, live: liveOf(running), drift: [], pending: [], transaction: null };
const closure: ClosureInputs = {
  connection: PROD,
  path: SYSTEM_B,
  transport: { via: "built-here" },
  diskMarginMiB: 64,
  timeoutSeconds: 60,
};
const closureState = { ...closure, root: ROOT, machineId: running.machineId };
const stateA = { ...closureState, path: SYSTEM_A, root: ROOT_A };
const withA = { ...running, paths: { [SYSTEM_A]: true }, roots: { [ROOT_A]: SYSTEM_A } };

describe("what the provider knows of a host", () => {
  let host: FakeExecutor;
  let state: HostState | Error;

  beforeEach(() => {
    state = running;
    host = new FakeExecutor({
      observe: () => state,
      missing: () => ({ missing: [], free: 2 ** 40 }),
      root: () => ({}),
      forget: () => ({}),
    });
    forgetObservations();
    for (const way of [PROD, OTHER_WAY]) useExecutor(way, host);
  });

  after(() => {
    closeExecutors();
    forgetObservations();
  });

  const asked = () => host.asked("observe").length;

  describe("is asked once", () => {
    it("by those who ask together, for all that they want to know", async () => {
      await Promise.all([
        observe(PROD, { units: [UNIT] }),
        observe(PROD, { paths: [SYSTEM_B] }),
        observed(PROD, { units: [UNIT] }),
      ]);
      const [question] = host.asked("observe");
      assert.equal(question?.argument.get("units.0"), UNIT);
      assert.equal(question?.argument.get("paths.0"), SYSTEM_B);
      assert.equal(asked(), 1);
    });

    it("by a look ahead and the diffs that follow", async () => {
      const ahead = service.invoke("nixos:index:getHost", { connection: PROD, units: [UNIT] });
      await sleep(20);
      assert.equal((await service.diff("", CLOSURE, closureState, closure)).changes, false);
      assert.equal((await service.diff("", SYSTEM, systemState, system)).changes, false);
      await ahead;
      assert.equal(asked(), 1);
    });

    it("for units that were asked for before, with whatever is asked next", async () => {
      await observe(PROD, { units: [UNIT] });
      forgetObservations();
      await observed(PROD, { paths: [SYSTEM_B] });
      await observed(PROD, { units: [UNIT] });
      assert.equal(asked(), 2);
    });

    it("by the diff and the update of a new release, whose closure is brought in between", async () => {
      state = withA;
      const ahead = service.invoke("nixos:index:getHost", { connection: PROD, units: [UNIT] });
      await sleep(20);
      assert.equal((await service.diff("", CLOSURE, stateA, closure)).changes, true);
      await service.update("", CLOSURE, stateA, closure);
      const next = { ...system, rev: OTHER_REV };
      assert.equal((await service.diff("", SYSTEM, systemState, next)).changes, true);
      await service.update("", SYSTEM, systemState, next);
      await ahead;
      assert.equal(asked(), 1);
      assert.equal(host.asked("root").length, 1);
    });
  });

  describe("is asked again", () => {
    const table: [string, () => unknown][] = [
      ["for a unit that nobody has asked for", () => observed(PROD, { units: ["caddy.service"] })],
      ["for a path that nobody has asked for", () => observed(PROD, { paths: [SYSTEM_A] })],
      ["over another way", () => observed(OTHER_WAY)],
      ["by a refresh", () => service.read("x", SYSTEM, systemState)],
      [
        "for a path, after a closure of it was given up",
        async () => {
          await service.delete("", CLOSURE, closureState);
          await observed(PROD, { units: [UNIT] });
          await observed(PROD, { paths: [SYSTEM_B] });
        },
      ],
      [
        "after something was done to it",
        async () => {
          await service.delete("", SYSTEM, systemState);
          await observed(PROD);
        },
      ],
    ];
    for (const [what, ask] of table)
      it(what, async () => {
        await observed(PROD, { units: [UNIT] });
        await observed(PROD, { units: [UNIT] });
        assert.equal(asked(), 1);
        await ask();
        assert.equal(asked(), 2);
      });

    it("when it could not be reached the first time", async () => {
      state = new Error("nothing answers there.");
      await assert.rejects(observed(PROD), /nothing answers/);
      state = running;
      assert.equal((await observed(PROD)).hostname, running.hostname);
    });
  });

  describe("makes a diff", () => {
    const ofSystem = async (now: Partial<HostState>, recorded: object = {}) => {
      state = { ...running, ...now };
      return (await service.diff("", SYSTEM, { ...systemState, ...recorded }, system)).changes;
    };

    it("for a host that runs something else than was recorded", async () => {
      assert.equal(await ofSystem({}), false);
      forgetObservations();
      assert.equal(await ofSystem({ currentSystem: SYSTEM_A }), true);
    });

    it("for a unit that has stopped since", async () =>
      assert.equal(
        await ofSystem({ units: { [UNIT]: unitState({ active: "inactive", sub: "dead" }) } }),
        true,
      ));

    it("for drift that was recorded and is gone, so that the record is mended", async () =>
      assert.equal(
        await ofSystem({}, { drift: [`${UNIT} is failed (failed), not active`] }),
        true,
      ));

    it("for what is recorded of it, if that has changed", async () =>
      assert.equal(await ofSystem({ failedUnits: ["backup.service"] }), true));

    it("for a closure without its root, and for one that is not valid", async () => {
      for (const now of [{ roots: {} }, { paths: { [SYSTEM_B]: false } }]) {
        forgetObservations();
        state = { ...running, ...now };
        assert.equal((await service.diff("", CLOSURE, closureState, closure)).changes, true);
      }
    });

    it("without asking, as long as a preview does not know what will be wanted", async () => {
      const unknown = { ...system, toplevel: UNKNOWN };
      assert.equal((await service.diff("", SYSTEM, systemState, unknown)).changes, true);
      assert.equal(asked(), 0);
    });
  });

  it("is looked at although a preview does not know the manifest yet, which is no change", async () => {
    const unknown = { ...system, manifest: UNKNOWN };
    const { changes } = await service.diff("", SYSTEM, systemState, unknown);
    assert.equal(changes, false);
    assert.equal(asked(), 1);
  });

  describe("is seen over the wanted way", () => {
    const other = { ...system, connection: OTHER_WAY };

    it("also when the recorded one leads nowhere", async () => {
      useExecutor(PROD, new FakeExecutor({ observe: () => new Error("it is gone.") }));
      const { changes } = await service.diff("", SYSTEM, systemState, other);
      assert.equal(changes, true);
      const { outs } = await service.update("", SYSTEM, systemState, other);
      assert.deepEqual(outs, { ...systemState, connection: OTHER_WAY });
    });

    it("and has to be the same machine, in a preview too", async () => {
      state = { ...running, machineId: "f".repeat(32) };
      for (const [urn, olds, news] of [
        [SYSTEM, systemState, other],
        [CLOSURE, closureState, { ...closure, connection: OTHER_WAY }],
      ] as const)
        for (const ask of [service.diff, service.update])
          await assert.rejects(ask("", urn, olds, news), /leads to another machine \(f+\)/);
      assert.deepEqual(host.asked("root"), []);
    });
  });

  it("makes an update root a new closure before it gives up the old one, in one call", async () => {
    state = withA;
    await service.update("", CLOSURE, stateA, closure);
    const [call, ...others] = host.asked("root");
    assert.equal(call?.argument.get(`add.${ROOT}`), SYSTEM_B);
    assert.equal(call?.argument.get("remove.0"), ROOT_A);
    assert.deepEqual(others, []);
  });

  it("makes an update bring and root a closure that is gone", async () => {
    state = { ...running, roots: {} };
    const { outs } = await service.update("", CLOSURE, closureState, closure);
    assert.equal(host.asked("root")[0]?.argument.get(`add.${ROOT}`), SYSTEM_B);
    assert.deepEqual(outs, closureState);
  });
});
