// Transactions on a prod that runs release a, and what it looks like when nothing is left of them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type HostState, hostState } from "../../contract/host-state.ts";
import { type Verdict, verdict } from "../../contract/verdict.ts";
import type { LabHost } from "../../lab/lab.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { ask, type Job, newId, run } from "./on-host.ts";
import { Releases, UNITS } from "./releases.ts";

export type More = { [key: string]: Argument };

export const PROBES = [
  { name: "hypervisor", kind: "http", url: "http://127.0.0.1:9090/health", status: [200] },
  ...UNITS.map((unit) => ({ name: unit, kind: "unit", unit, identity: true })),
].map((probe) => ({ ...probe, intervalSeconds: 0.2, deadlineSeconds: 4, soakSeconds: 0 }));

export class Transactions {
  readonly releases: Releases;
  readonly prod: LabHost;
  /** The system of release a. */
  a = "";

  private constructor(releases: Releases) {
    this.releases = releases;
    this.prod = releases.prod;
  }

  static async open(): Promise<Transactions> {
    const on = new Transactions(await Releases.open(process.env["TEST_LAB"] ?? "test"));
    await on.prod.reset();
    on.a = await on.releases.onProd("a");
    assert.equal((await on.activate("a")).outcome, "committed");
    return on;
  }

  /** Prod runs a again, by a test's own doing or by this. */
  async settle(): Promise<void> {
    if ((await this.look()).currentSystem !== this.a)
      assert.equal((await this.activate("a")).outcome, "committed");
  }

  async close(): Promise<void> {
    await this.prod.reset();
    await this.releases.close();
  }

  async job(tag: string, more: More = {}): Promise<Job> {
    const argument = {
      toplevel: await this.releases.onProd(tag),
      release: { rev: tag },
      mode: "switch",
      confirm: false,
      timeouts: { switch: 60, confirm: 2, rollback: 60 },
      probes: PROBES,
      diagnostics: { units: UNITS, lines: 20, bytes: 4000 },
      ...more,
    };
    return { id: newId("activate"), command: "activate", argument };
  }

  async activate(tag: string, more: More = {}): Promise<Verdict> {
    return verdict.parse((await run(this.prod, await this.job(tag, more))).result);
  }

  async look(): Promise<HostState> {
    return hostState.parse(await ask(this.prod, "observe", { units: UNITS, paths: [] }));
  }

  /** The host runs `a` as if nothing had been tried. */
  async isAsBefore(): Promise<void> {
    const state = await this.look();
    assert.equal(state.currentSystem, this.a);
    assert.equal(state.profile, this.a);
    const bootDefault = await readFile(`${this.prod.root}/boot/loader/default`, "utf8");
    assert.equal(bootDefault.trim(), this.a);
    assert.equal(state.activation, null);
    assert.deepEqual(state.failedUnits, []);
    for (const unit of UNITS) {
      assert.equal(state.units[unit]?.active, "active", unit);
      assert.notEqual(state.units[unit]?.memberOf, false, unit);
    }
    const left = await this.prod.exec(["ls", "/run/nixos"]);
    assert.doesNotMatch(left.stdout, /start-list/, "nothing is left to be started");
  }

  isRolledBack(said: Verdict, step: string, reason: RegExp): void {
    assert.equal(said.outcome, "rolled-back", said.reason ?? "");
    assert.equal(said.failedStep, step);
    assert.match(said.reason ?? "", reason);
    assert.equal(said.after.currentSystem, this.a);
    for (const probe of said.healthAfterRollback ?? [])
      assert.ok(probe.ok, `${probe.name}: ${probe.answer}`);
    assert.ok((said.healthAfterRollback ?? []).length > 0);
  }
}
