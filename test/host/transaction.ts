// Activations on prod, as the provider starts them, for tests of what becomes of them.
import { readFile } from "node:fs/promises";
import { type HostState, hostState } from "../../contract/host-state.ts";
import { type Verdict, verdict } from "../../contract/verdict.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { ask, finish, type Job, newId, start } from "./on-host.ts";
import { type Releases, UNITS } from "./releases.ts";

export type More = { [key: string]: Argument };

export const PROBES = [
  { name: "hypervisor", kind: "http", url: "http://127.0.0.1:9090/health", status: [200] },
  ...UNITS.map((unit) => ({ name: unit, kind: "unit", unit, identity: true })),
].map((probe) => ({ ...probe, intervalSeconds: 0.2, deadlineSeconds: 5, soakSeconds: 0 }));

/** Never healthy enough before the test has ended. */
export const SOAKING = PROBES.map((probe) => ({ ...probe, soakSeconds: 100 }));

export class Transactions {
  readonly on: Releases;

  constructor(on: Releases) {
    this.on = on;
  }

  async job(tag: string, more: More = {}): Promise<Job> {
    const argument = {
      toplevel: await this.on.onProd(tag),
      release: { rev: tag },
      mode: "switch",
      confirm: false,
      timeouts: { switch: 60, confirm: 60, rollback: 60 },
      probes: PROBES,
      diagnostics: { units: UNITS, lines: 20, bytes: 4000 },
      ...more,
    };
    return { id: newId("activate"), command: "activate", argument };
  }

  async begin(job: Job): Promise<void> {
    const answer = await start(this.on.prod, job);
    if (answer["started"] !== true) throw new Error(JSON.stringify(answer));
  }

  async activate(tag: string, more: More = {}): Promise<Verdict> {
    const job = await this.job(tag, more);
    await this.begin(job);
    return verdict.parse((await finish(this.on.prod, job.id)).result);
  }

  async look(): Promise<HostState> {
    return hostState.parse(await ask(this.on.prod, "observe", { units: UNITS, paths: [] }));
  }

  async bootDefault(): Promise<string> {
    return (await readFile(`${this.on.prod.root}/boot/loader/default`, "utf8")).trim();
  }
}
