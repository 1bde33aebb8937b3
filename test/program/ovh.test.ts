import assert from "node:assert/strict";
import { type CloudRan, runCloud } from "../support/cloud.ts";

const serviceName = "ns1234567.ip-192-0-2.eu";
const UPDATE = "ovh:Dedicated/serverUpdate:ServerUpdate";
const REBOOT = "ovh:Dedicated/serverRebootTask:ServerRebootTask";

function run(server: object, name = "choiros-a"): Promise<CloudRan> {
  return runCloud({ ovh: { servers: { [name]: server } } });
}

describe("a stack with servers of OVH", () => {
  it("looks a dedicated server up, and makes nothing of it", async () => {
    const { registrations, calls, outputs } = await run({ kind: "dedicated", serviceName });
    assert.deepEqual(
      calls.map(({ token, inputs }) => [token, inputs]),
      [["ovh:index/getServer:getServer", { serviceName }]],
    );
    assert.deepEqual(
      registrations.map(({ type, name }) => [type, name]),
      [["choiros:ovh:OvhHost", "choiros-a"]],
    );
    assert.deepEqual(outputs["ovh"], {
      "choiros-a": { address: "192.0.2.20", state: "ok, poweron" },
    });
  });

  it("looks a VPS up, and takes its IPv4 address", async () => {
    const { outputs } = await run({ kind: "vps", serviceName: "vps-0123abcd.vps.example.net" });
    assert.deepEqual(outputs["ovh"], {
      "choiros-a": { address: "192.0.2.21", state: "running" },
    });
  });

  it("turns OVH's monitoring off and on, and leaves what is not named as it is", async () => {
    for (const monitoring of [false, true]) {
      const update = (await run({ kind: "dedicated", serviceName, monitoring })).the(UPDATE);
      assert.deepEqual(update.inputs, { serviceName, monitoring });
      assert.equal(update.name, "choiros-a-server");
      assert.equal(update.parent, "choiros:ovh:OvhHost::choiros-a");
      assert.ok(update.retainOnDelete, "given up, it stays as it is");
    }
  });

  it("boots a rescue system by the number that OVH has for it", async () => {
    const { calls, the } = await run({ kind: "dedicated", serviceName, boot: "rescue" });
    assert.deepEqual(calls.at(-1)?.inputs, { serviceName, bootType: "rescue" });
    assert.deepEqual(the(UPDATE).inputs, { serviceName, bootId: 1122 });
  });

  it("reboots for each new text, after what it should boot and the monitoring are set", async () => {
    const server = { kind: "dedicated", serviceName, monitoring: false, boot: "rescue" };
    const { the } = await run({ ...server, reboot: "2026-11-25" });
    assert.deepEqual(the(REBOOT).inputs, { serviceName, keepers: ["2026-11-25"] });
    assert.ok(the(REBOOT).dependsOn.includes(`${UPDATE}::choiros-a-server`));
    const { registrations } = await run(server);
    assert.ok(!registrations.some(({ type }) => type === REBOOT), "it would reboot unasked");
  });

  it("orders, reinstalls and terminates no server", async () => {
    const { registrations } = await run({
      ...{ kind: "dedicated", serviceName, monitoring: true, boot: "harddisk", reboot: "1" },
    });
    const types = registrations.map(({ type }) => type);
    assert.deepEqual(
      types.filter((type) => type.startsWith("ovh:")),
      [UPDATE, REBOOT],
    );
  });

  it("knows a server that is called otherwise now", async () => {
    const renamed = await run({ kind: "dedicated", serviceName, formerly: "choiros-a" }, "prod");
    assert.deepEqual(renamed.the("choiros:ovh:OvhHost").aliases, ["choiros-a"]);
  });

  it("says which server has no way to boot a rescue system, and sets nothing", async () => {
    const answers = { "ovh:Dedicated/getServerBoots:getServerBoots": { results: [] } };
    const server = { kind: "dedicated", serviceName, boot: "rescue" };
    const said = await errorsOf(() => runCloud({ ovh: { servers: { a: server } } }, { answers }));
    assert.match(
      said,
      /ns1234567\.ip-192-0-2\.eu has no way to boot from rescue\. Nothing was changed/,
    );
  });

  it("refuses what a VPS has not", async () => {
    await assert.rejects(
      run({ kind: "vps", serviceName, monitoring: false }),
      /\[choiros:ovh\.servers\.choiros-a\.monitoring\] There is no setting/,
    );
  });
});

/** What an output that cannot be had says; Pulumi tells it by an unhandled rejection. */
async function errorsOf(run: () => Promise<unknown>): Promise<string> {
  const said: string[] = [];
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => said.push(String(error)));
  try {
    await Promise.race([run(), new Promise((resolve) => setTimeout(resolve, 300))]);
  } catch (error) {
    said.push(String(error));
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
  return said.join("\n");
}
