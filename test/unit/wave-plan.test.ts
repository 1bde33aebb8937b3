import assert from "node:assert/strict";
import type { Description } from "../../contract/description.ts";
import { fleetPlannedByProgram } from "../../contract/fleet-plan.ts";
import type { GetWavePlanInputs, WavePlan } from "../../contract/resources.ts";
import { Failure } from "../../providers/errors.ts";
import { useExecutor } from "../../providers/executors/index.ts";
import { getWavePlan } from "../../providers/nixos/get-wave-plan.ts";
import { forgetObservations } from "../../providers/nixos/observation.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import { hostState, pathOf, REV, SYSTEM_A, SYSTEM_B } from "../support/samples.ts";

const ssh = (host: string) => ({ kind: "ssh" as const, host });
const described = (path: string, version: string): Description => ({
  ...{ valid: true, nixosVersion: "26.11", units: {}, missing: [path], free: 1e12 },
  closure: [
    [path, 100],
    [pathOf(`hypervisor-${version}`), 20_000],
  ],
  ...{ kernel: "k", initrd: "i", kernelParams: "", initInterface: "3", inhibitors: null },
});

describe("the plan of a wave", () => {
  let builder: FakeExecutor;
  let hosts: Map<string, FakeExecutor>;

  beforeEach(() => {
    forgetObservations();
    hosts = new Map();
    builder = new FakeExecutor({ describe: () => described(SYSTEM_B, "1.5.0") });
    useExecutor(ssh("builder"), builder);
  });

  /** A host that runs a system. */
  function add(name: string, system = SYSTEM_A, failure?: Error): void {
    const state = hostState({ hostname: name, currentSystem: system, profile: system });
    const executor = new FakeExecutor({
      observe: () => failure ?? state,
      describe: ({ argument }) => {
        const said = described(system, "1.4.0");
        return argument.get("closure") === "true" ? said : { ...said, closure: [] };
      },
    });
    hosts.set(name, executor);
    useExecutor(ssh(name), executor);
  }

  async function ask(more: Partial<GetWavePlanInputs> = {}): Promise<WavePlan> {
    const common = {
      ...{ mode: "switch", rev: REV, subject: "say hello", toplevel: SYSTEM_B },
      ...{ builder: ssh("builder"), probes: [] },
      transport: { via: "relay", builder: ssh("builder") },
    };
    const each = [...hosts.keys()].map((host) => ({ host, connection: ssh(host) }));
    return (await getWavePlan.call({
      ...{ common, hosts: each, detailed: false },
      ...more,
    })) as WavePlan;
  }

  it("is told once for hosts that are alike, with those of others apart", async () => {
    for (const name of ["a", "b", "c"]) add(name);
    add("d", SYSTEM_B);
    add("e", pathOf("nixos-system-other"));
    const { groups, settled, unseen } = await ask();
    assert.deepEqual(
      groups.map((group) => group.hosts),
      [["a", "b", "c", "e"]],
    );
    assert.match(groups[0]?.text ?? "", /^4 hosts \(a, b, c, e\): .* say hello\n/);
    assert.match(groups[0]?.text ?? "", /hypervisor: 1\.4\.0 -> 1\.5\.0/);
    assert.match(groups[0]?.text ?? "", /system +of each its own, such as/);
    assert.deepEqual([settled, unseen], [["d"], []]);
  });

  it("asks for what hosts have in common once, and of each host what is its own", async () => {
    for (const name of ["a", "b", "c"]) add(name);
    await ask();
    assert.equal(builder.asked("describe").length, 1);
    const asked = [...hosts.values()].flatMap((host) => host.asked("describe"));
    const whole = asked.map(({ argument }) => argument.get("closure"));
    assert.deepEqual(whole.sort(), ["false", "false", "true"]);
    assert.ok(asked.every(({ argument }) => argument.get("states") === "true"));
  });

  it("asks the next host for what the first could not tell", async () => {
    add("a");
    add("b");
    const broken = new FakeExecutor({
      observe: () => hostState({ currentSystem: SYSTEM_A, profile: SYSTEM_A }),
      describe: () => new Failure("timeout", "a: no answer in time."),
    });
    useExecutor(ssh("a"), broken);
    const { groups, unseen } = await ask();
    assert.deepEqual(unseen, [{ host: "a", message: "a: no answer in time." }]);
    assert.deepEqual(groups[0]?.hosts, ["b"]);
    assert.match(groups[0]?.text ?? "", /hypervisor: 1\.4\.0 -> 1\.5\.0/);
  });

  it("says who could not be looked at, and hides nothing of the others", async () => {
    add("a", SYSTEM_A, new Failure("unreachable", "a: nothing answers there."));
    add("b");
    const { groups, unseen } = await ask();
    assert.deepEqual(unseen, [
      { host: "a", message: "[host.connection] a: nothing answers there." },
    ]);
    assert.deepEqual(groups[0]?.hosts, ["b"]);
  });

  it("has for a document what is each host's own, and nothing of it else", async () => {
    add("a");
    add("b", SYSTEM_B);
    const plain = await ask();
    assert.equal(plain.machines, undefined);
    assert.equal(plain.groups[0]?.change, undefined);
    const { groups, settled, machines = [] } = await ask({ detailed: true });
    const wave = { name: "rest", soakSeconds: 0, groups, settled, unseen: [], held: [] };
    const planned = fleetPlannedByProgram.parse({
      ...{ mode: "switch", release: { rev: REV, subject: "", id: null }, waves: [wave] },
      hosts: Object.fromEntries(machines.map((one) => [(one as { name: string }).name, one])),
    });
    const { a, b } = planned.hosts;
    assert.deepEqual([a?.currentSystem, a?.to, b?.to], [SYSTEM_A, SYSTEM_B, SYSTEM_B]);
    assert.ok(!("free" in (planned.waves[0]?.groups[0]?.change.copy ?? {})));
  });
});
