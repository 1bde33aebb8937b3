import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, pointers } from "../e2e/world.ts";
import { gateBefore } from "./gates.ts";
import { fault, type Row } from "./row.ts";
import { confirmWithin, soak } from "./stage.ts";
import { answersSsh, way } from "./ways.ts";

describe("the way to prod", () => {
  fault("N01 the network is cut right after the start, and comes back", {}, (row) =>
    gateBefore(row, "test", row.wanted, async (gate) => {
      const up = row.up();
      await gate.reached();
      await cut(row);
      await gate.open();
      await row.at("await-confirmation");
      await row.prod.restoreNetwork();
      await row.committed(await up);
    }),
  );

  fault("N02 the network is cut while the health is proven, and comes back", {}, async (row) => {
    const up = row.up({ change: soak(2) });
    await row.at("health");
    await cut(row);
    await row.at("await-confirmation");
    assert.equal((await pointers(row.prod)).bootDefault, row.before);
    await row.prod.restoreNetwork();
    await row.committed(await up);
  });

  fault(
    "N03 the network is cut before the confirmation, for longer than it may take",
    {},
    async (row) => {
      const up = row.up({ change: soak(1, confirmWithin(2)) });
      await row.at("health");
      await cut(row);
      await row.isIdle();
      await row.prod.restoreNetwork();
      await row.rolledBack(await up, /No confirmation came within 2 s/);
    },
  );

  fault("N04 sshd is restarted, and every session ends", {}, (row) =>
    gateBefore(row, "test", row.wanted, async (gate) => {
      const up = row.up();
      await gate.reached();
      let serving: string[] = [];
      await eventually("somebody is connected", async () => {
        serving = await way.processes(row.prod);
        return serving.length > 1;
      });
      await row.shell(`systemctl kill --signal=KILL "$1"; systemctl restart "$1"`, way.unit);
      assert.deepEqual(intersection(serving, await way.processes(row.prod)), []);
      await gate.open();
      await row.committed(await up);
    }),
  );

  fault(
    "N05 the release moves sshd to another port",
    { release: "moved-sshd", sshOnly: "SSM knows no port, the agent dials out" },
    async (row) => {
      const up = row.up({ change: confirmWithin(3) });
      await row.at("await-confirmation");
      assert.equal(await answersSsh(row.prod), false, "port 22 still answers");
      assert.match(await row.shell("ss -Hltn 'sport = :2222'"), /:2222/);
      await row.rolledBack(await up, /No confirmation came within 3 s/);
      assert.equal(await answersSsh(row.prod), true);
    },
  );

  fault("N06 connections hang", {}, async (row) => {
    const up = row.up({ change: soak(2) });
    await row.at("health");
    const processes = (await way.processes(row.prod)).join(" ");
    await row.shell(`kill -STOP ${processes}`);
    assert.equal(await way.answers(row.prod), false, `${way.unit} answers`);
    await row.at("await-confirmation");
    await sleep(2000);
    await row.shell(`kill -CONT ${processes}`);
    await row.committed(await up);
  });

  fault("N07 the network comes and goes", {}, async (row) => {
    let ended = false;
    const up = row.up({ change: soak(2) }).finally(() => {
      ended = true;
    });
    await row.at("health");
    let cuts = 0;
    for (; !ended; cuts++) {
      await row.prod.cutNetwork();
      await sleep(300);
      await row.prod.restoreNetwork();
      await sleep(500);
    }
    assert.ok(cuts > 2, `it was cut ${cuts} times`);
    await row.committed(await up);
  });

  fault(
    "N08 the host key changes meanwhile",
    { sshOnly: "SSM has no host key, AWS knows the instance" },
    async (row) => {
      const up = row.up({ change: soak(2, confirmWithin(3)) });
      await row.at("health");
      await row.shell(OTHER_KEY);
      assert.match((await row.prod.ssh(["true"])).stderr, /HOST IDENTIFICATION HAS CHANGED/);
      await row.isIdle();
      await row.shell(`mv ${KEY}.kept ${KEY}; systemctl restart ssh.service`);
      await row.rolledBack(await up, /No confirmation came within 3 s/);
    },
  );
});

const KEY = "/etc/ssh/ssh_host_ed25519_key";
const OTHER_KEY = `cp ${KEY} ${KEY}.kept; rm ${KEY}
ssh-keygen -q -t ed25519 -N "" -f ${KEY}; systemctl restart ssh.service`;

function intersection(some: readonly string[], others: readonly string[]): string[] {
  return some.filter((one) => others.includes(one));
}

async function cut(row: Row): Promise<void> {
  await row.prod.cutNetwork();
  assert.equal(await answersSsh(row.prod), false, "the network is not cut");
}
