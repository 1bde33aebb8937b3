// prod as the tests of activations use it: it runs release a, and shows what a transaction did to it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type HostState, hostState } from "../../contract/host-state.ts";
import { type Verdict, verdict } from "../../contract/verdict.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { ask, type Job, newId, run } from "./on-host.ts";
import { Releases, UNITS } from "./releases.ts";

export type More = { [key: string]: Argument };

export const PROBES = [
  {
    name: "hypervisor",
    kind: "http",
    url: "http://127.0.0.1:9090/health",
    status: [200],
    place: [],
  },
  ...UNITS.map((unit) => ({ name: unit, kind: "unit", unit, identity: true })),
].map((probe) => ({ ...probe, intervalSeconds: 0.2, deadlineSeconds: 3, soakSeconds: 0 }));

export class Prod {
  readonly on: Releases;
  readonly a: string;

  private constructor(on: Releases, a: string) {
    this.on = on;
    this.a = a;
  }

  static async open(): Promise<Prod> {
    const on = await Releases.open(process.env["TEST_LAB"] ?? "test");
    await on.prod.reset();
    const prod = new Prod(on, await on.onProd("a"));
    await prod.settle();
    return prod;
  }

  /** Back to a for good, whatever ran. */
  async settle(): Promise<void> {
    const said = await this.activate("a");
    assert.equal(said.outcome, "committed", said.reason ?? "");
  }

  async job(tag: string | undefined, more: More = {}): Promise<Job> {
    const argument = {
      ...(tag === undefined ? {} : { toplevel: await this.on.onProd(tag) }),
      release: { rev: tag ?? "links" },
      confirm: false,
      timeouts: { switch: 30, confirm: 2, rollback: 30 },
      probes: PROBES,
      diagnostics: { units: UNITS, lines: 20, bytes: 4000 },
      ...more,
    };
    return { id: newId("activate"), command: "activate", argument };
  }

  async activate(tag: string | undefined, more: More = {}): Promise<Verdict> {
    const ended = await run(this.on.prod, await this.job(tag, more));
    return verdict.parse(ended.result);
  }

  async look(more: More = {}): Promise<HostState> {
    return hostState.parse(
      await ask(this.on.prod, "observe", { units: UNITS, paths: [], ...more }),
    );
  }

  async bootDefault(): Promise<string> {
    return (await readFile(`${this.on.prod.root}/boot/loader/default`, "utf8")).trim();
  }

  /** What runs, the profile and what the next boot activates. */
  async pointers(): Promise<(string | null)[]> {
    const { currentSystem, profile } = await this.look();
    return [currentSystem, profile, await this.bootDefault()];
  }

  /** The run that each unit is in. */
  async invocations(): Promise<string[]> {
    const argv = ["systemctl", "show", "--value", "-p", "InvocationID", ...UNITS];
    return (await this.on.prod.must(argv)).trim().split(/\n+/);
  }

  async close(): Promise<void> {
    await this.on.prod.reset();
    await this.on.close();
  }
}

export function stepsOf(said: Verdict): string[] {
  return said.steps.map(({ name }) => name);
}
