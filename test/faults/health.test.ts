import assert from "node:assert/strict";
import { eventually, isActive } from "../e2e/world.ts";
import { fault, type Row, says } from "./row.ts";
import { type Settings, soak, unchanged } from "./stage.ts";

const HYPERVISOR = "http://127.0.0.1:9090/login";

describe("the health of a release", () => {
  fault("P01 a unit is active and does not listen", { release: "deaf" }, (row) =>
    isSick(row, /hypervisor is not healthy: connection refused/, async () => {
      assert.ok(await isActive(row.prod, "hypervisor.service"));
      assert.equal(await row.shell("ss -Hltn 'sport = :9090'"), "");
    }),
  );

  fault("P02 a service listens and answers 503", { release: "c-503" }, (row) =>
    isSick(row, /hypervisor is not healthy: 503/, async () =>
      assert.equal(await answer(row, HYPERVISOR), "503"),
    ),
  );

  fault("P03 a service redirects to a sign-in page", { release: "sign-in" }, (row) =>
    isSick(row, /hypervisor is not healthy: 302 to https:\/\/sign-in\.example\.com\//, async () =>
      assert.equal(await answer(row, HYPERVISOR), "302"),
    ),
  );

  fault("P04 a service answers 200 with another page", { release: "maintenance" }, (row) =>
    isSick(
      row,
      /hypervisor is not healthy: 200, but the body does not match: <h1>Be right back/,
      async () => assert.equal(await answer(row, HYPERVISOR), "200"),
      ({ health }) => {
        Object.assign(health[0] ?? {}, { body: "<h1>ChoirOS" });
      },
    ),
  );

  fault(
    "P05 a service is healthy and crashes in its soak",
    { release: "late-crash" },
    async (row) => {
      const up = row.up({ change: soak(6) });
      await row.at("health");
      await eventually("it is healthy", async () => (await answer(row, HYPERVISOR)) === "200");
      const ended = await up;
      await row.rolledBack(ended, /was healthy for [\d.]+ s, then|units of it have failed since/);
      says(ended, /hypervisor\.service: Main process exited, code=exited, status=70/);
    },
  );

  fault(
    "P06 a service crashes, and systemd starts it again and again",
    { release: "crash-loop" },
    async (row) => {
      const ended = await row.up({ change: soak(3) });
      await row.rolledBack(ended, /hypervisor(\.service)? .*(not healthy|failed since)/s);
      says(ended, /SubState=auto-restart|restart counter is at/);
    },
  );

  fault("P07 only one sandbox is sick", { release: "sick-dev" }, (row) =>
    isSick(row, /dev is not healthy: 200, but the body does not match/, async () => {
      assert.match(await sandbox(row, "live"), /"healthy"/);
      assert.match(await sandbox(row, "dev"), /"degraded"/);
    }),
  );

  fault("P08 the old process runs on after the switch", { release: "stale" }, async (row) => {
    const started = () => row.shell("systemctl show -P MainPID container@sandbox-live.service");
    const before = await started();
    const up = row.up();
    await row.at("health");
    assert.equal(await started(), before, "it was restarted");
    await row.rolledBack(await up, /but process \d+ runs \S+, which is not in the release/);
  });

  fault(
    "P09 a unit that no probe names dies two seconds after a switch that ended with 0",
    { release: "short-lived" },
    async (row) => {
      const up = row.up({ change: soak(4) });
      await row.at("health");
      const failed = ["is-failed", "choiros-janitor.service"];
      const isFailed = async () => (await row.prod.exec(["systemctl", ...failed])).code === 0;
      await eventually("the janitor has died", isFailed);
      const ended = await up;
      await row.rolledBack(ended, /units of it have failed since: choiros-janitor\.service/);
      says(ended, /the data directory is locked/);
    },
  );

  fault(
    "P10 a service dies after the commit",
    { release: "late-crash", down: ["hypervisor.service"] },
    async (row) => {
      await row.committed(await row.up());
      const isDown = async () => !(await isActive(row.prod, "hypervisor.service"));
      await eventually("the hypervisor has died", isDown);
      const preview = await row.stage.world.preview("prod");
      assert.match(preview, /hypervisor\.service is failed \(failed\), not active/);
    },
  );

  fault("P11 an optional probe fails", {}, async (row) => {
    const ended = await row.up({
      change: ({ health }) => {
        const url = "http://127.0.0.1:9999/";
        const optional = { name: "metrics", kind: "http", url, required: false };
        health.push(Object.assign({}, health[0], optional));
      },
    });
    await row.committed(ended);
    says(ended, /warning: optional probe metrics: .*connection refused/);
  });

  fault("P12 a unit had failed before the switch", {}, async (row) => {
    await row.shell("systemd-run --quiet --unit=elsewhere --property=Type=oneshot false || true");
    assert.equal((await row.prod.exec(["systemctl", "is-failed", "elsewhere"])).code, 0);
    await row.committed(await row.up());
    await row.prod.exec(["systemctl", "reset-failed"]);
  });

  fault("P13 a unit was stopped by hand before the switch", {}, async (row) => {
    await stopByHand(row, "caddy.service");
    await row.committed(await row.up());
  });

  fault(
    "P14 a unit was stopped by hand before a switch that is refused",
    { release: "bad-check", down: ["caddy.service"] },
    async (row) => {
      await stopByHand(row, "caddy.service");
      await row.refused(await row.up(), /exit 1|ended with 1/);
      const preview = await row.stage.world.preview("prod");
      assert.match(preview, /caddy\.service is inactive \(dead\), not active/);
    },
  );
});

/** A release that is sick from the start, which `proof` shows while the probes ask. */
async function isSick(
  row: Row,
  reason: RegExp,
  proof: () => Promise<void>,
  change = unchanged,
): Promise<void> {
  const up = row.up({ change: impatient(change) });
  await row.at("health");
  await proof();
  await row.rolledBack(await up, reason);
}

/** It will not become healthy: nobody has to wait for that. What leads to it is asked longer, so that it is not blamed. */
function impatient(also: (settings: Settings) => void): (settings: Settings) => void {
  return (settings) => {
    for (const probe of settings.health)
      if (probe.name !== "public") Object.assign(probe, { deadlineSeconds: 3 });
    also(settings);
  };
}

async function stopByHand(row: Row, unit: string): Promise<void> {
  await row.shell(`systemctl stop ${unit}`);
  assert.equal(await isActive(row.prod, unit), false);
}

/** The status that a URL gives on prod. */
async function answer(row: Row, url: string): Promise<string> {
  const argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url];
  return (await row.prod.exec(argv)).stdout;
}

function sandbox(row: Row, name: string): Promise<string> {
  const url = "http://127.0.0.1:8080/health";
  return row.shell(`nixos-container run sandbox-${name} -- curl -s ${url}`);
}
