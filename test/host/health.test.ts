import assert from "node:assert/strict";
import { ask } from "./on-host.ts";
import { Prod, usualProbes } from "./prod.ts";

describe("whether a host is healthy now", () => {
  const prod = Prod.alwaysSettled();
  const health = (probes = usualProbes()) => ask(prod.host, "health", { probes });

  it("is told with the machine and the system that were asked, and needs no soak", async () => {
    const { probes, ...others } = await health(
      usualProbes({ soakSeconds: 600, graceSeconds: 600 }),
    );
    const { machineId } = prod.host;
    assert.deepEqual(others, { machineId, currentSystem: prod.a, reason: null });
    const answered = probes as { ok: boolean }[];
    assert.ok(answered.length > 3 && answered.every(({ ok }) => ok));
  });

  it("is not so while one that is required fails, which is named with its answer", async () => {
    await prod.host.must(["systemctl", "stop", "hypervisor.service"]);
    const { reason } = await health();
    assert.match(String(reason), /^hypervisor(\.service)? is not healthy: /);
  });

  it("is not so while a process runs that is not of the release", async () => {
    const fake = "/nix/store/00000000000000000000000000000000-other";
    const dropIn = "/run/systemd/system/hypervisor.service.d/other.conf";
    const text = `[Service]\nExecStart=\nExecStart=/bin/sh -c 'systemd-notify --ready; exec -a ${fake}/bin/x sleep 600'\nNotifyAccess=all\n`;
    const write =
      'mkdir -p "${1%/*}" && cat >"$1" && systemctl daemon-reload && systemctl restart hypervisor';
    await prod.host.must(["sh", "-c", write, "sh", dropIn], {
      input: text.replace("/bin/sh", "/bin/bash"),
    });
    try {
      const unit = usualProbes().filter(({ name }) => name === "hypervisor.service");
      const { reason } = await health(unit);
      assert.match(String(reason), /hypervisor\.service is not healthy: .*not in the release/);
    } finally {
      await prod.host.must(["sh", "-c", 'rm -r "${1%/*}"; systemctl daemon-reload', "sh", dropIn]);
    }
  });
});
