import assert from "node:assert/strict";
import { connect } from "node:net";
import type { LabHost } from "../../lab/lab.ts";
import { gateBefore } from "./around-switch.ts";
import { fault, type Row } from "./row.ts";
import type { Settings } from "./stage.ts";

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

  fault(
    "N03 the network is cut before the confirmation, for longer than it may take",
    {},
    async (row) => {
      const up = row.up({ change: soak(1, 2) });
      await row.at("health");
      await cut(row);
      await row.isIdle();
      await row.prod.restoreNetwork();
      await row.rolledBack(await up, /No confirmation came within 2 s/);
    },
  );
});

async function cut(row: Row): Promise<void> {
  await row.prod.cutNetwork();
  assert.equal(await answers(row.prod), false, "the network is not cut");
}

/** A hypervisor that has to stay healthy for a while, and little time for the confirmation. */
function soak(soakSeconds: number, confirm: number): (settings: Settings) => void {
  return ({ health, activation }) => {
    Object.assign(health[0] ?? {}, { soakSeconds });
    activation.timeouts.confirm = confirm;
  };
}

/** Does the host's sshd answer over the network? */
function answers(host: LabHost): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.address, port: 22, timeout: 500 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", () => end(true));
    for (const sign of ["timeout", "error", "close"]) socket.once(sign, () => end(false));
  });
}
