// prod as the tests of activations use it: it runs release a, and shows what a transaction did to it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type HostState, hostState } from "../../contract/host-state.ts";
import { type Verdict, verdict } from "../../contract/verdict.ts";
import type { LabHost } from "../../lab/lab.ts";
import type { Argument } from "../../providers/executors/argument.ts";
import { ask, finish, type Job, newId, reach, start } from "./on-host.ts";
import { Releases, UNITS } from "./releases.ts";

export type More = { [key: string]: Argument };

/** Of every unit and of what the hypervisor answers. The deadline leaves time to a machine that runs other tests. */
export function usualProbes(more: More = {}): More[] {
  const kinds: More[] = [
    { name: "hypervisor", kind: "http", url: "http://127.0.0.1:9090/health", status: [200] },
    ...UNITS.map((unit) => ({ name: unit, kind: "unit", unit, identity: true })),
  ];
  const patience = { intervalSeconds: 0.2, deadlineSeconds: 5, soakSeconds: 0 };
  return kinds.map((kind) => ({ ...kind, ...patience, ...more }));
}

/** Never healthy enough before the test has ended. */
export const SOAKING = usualProbes({ soakSeconds: 100 });

/** Asks for a confirmation, and waits longer for it than a test takes. */
export const ASKING = { confirm: true, timeouts: { switch: 60, confirm: 60, rollback: 60 } };

export class Prod {
  #releases: Releases | undefined;
  #a = "";

  private constructor() {}

  /** For a suite: prod runs a before each of its tests. */
  static alwaysSettled(): Prod {
    const prod = Prod.onceSettled();
    beforeEach("prod runs a, and would boot it", () => prod.settle());
    return prod;
  }

  /** For a suite: prod runs a before the first of its tests. */
  static onceSettled(): Prod {
    const prod = new Prod();
    before("a lab whose prod runs release a", async function () {
      this.timeout(300_000);
      await prod.#open();
    });
    after(() => prod.#close());
    return prod;
  }

  async #open(): Promise<void> {
    this.#releases = await Releases.open(process.env["TEST_LAB"] ?? "test");
    await this.host.reset();
    this.#a = await this.releases.onProd("a");
    await this.#takeA();
  }

  async #close(): Promise<void> {
    await this.#releases?.prod.reset();
    await this.#releases?.close();
  }

  /** Back to a for good, whatever ran. */
  async settle(): Promise<void> {
    if (!this.host.isRunning()) await this.host.boot();
    if ((await this.pointers()).some((system) => system !== this.a)) await this.#takeA();
  }

  async #takeA(): Promise<void> {
    const said = await this.activate("a");
    assert.equal(said.outcome, "committed", said.reason ?? "");
  }

  get releases(): Releases {
    assert.ok(this.#releases, "the lab is not open");
    return this.#releases;
  }

  get host(): LabHost {
    return this.releases.prod;
  }

  /** The system of release a. */
  get a(): string {
    return this.#a;
  }

  /** An activation of what has this tag, or of what `more` names; `more` also replaces what is usual. */
  async job(tag: string | undefined, more: More = {}): Promise<Job> {
    const argument = {
      ...(tag === undefined ? {} : { toplevel: await this.releases.onProd(tag), mode: "switch" }),
      release: { rev: tag ?? "links" },
      confirm: false,
      timeouts: { switch: 60, confirm: 2, rollback: 60 },
      probes: usualProbes(),
      diagnostics: { units: UNITS, lines: 20, bytes: 4000 },
      ...more,
    };
    return { id: newId("activate"), command: "activate", argument };
  }

  async activate(tag: string | undefined, more: More = {}): Promise<Verdict> {
    return this.end(await this.begin(await this.job(tag, more)));
  }

  /** Starts a job, which ends by itself or by the test. */
  async begin(job: Job): Promise<Job> {
    const answer = await start(this.host, job);
    assert.equal(answer["started"], true, JSON.stringify(answer));
    return job;
  }

  /** A job that has begun and is at a step. */
  async beginTo(step: string, tag: string | undefined, more: More = {}): Promise<Job> {
    const job = await this.begin(await this.job(tag, more));
    await reach(this.host, job.id, step);
    return job;
  }

  async end({ id }: Job): Promise<Verdict> {
    return verdict.parse((await finish(this.host, id)).result);
  }

  sh(script: string): Promise<string> {
    return this.host.must(["bash", "-euc", script]);
  }

  async look(more: More = {}): Promise<HostState> {
    return hostState.parse(await ask(this.host, "observe", { units: UNITS, paths: [], ...more }));
  }

  async bootDefault(): Promise<string> {
    return (await readFile(`${this.host.root}/boot/loader/default`, "utf8")).trim();
  }

  /** What runs, the profile and what the next boot activates. */
  async pointers(): Promise<(string | null)[]> {
    const { currentSystem, profile } = await this.look();
    return [currentSystem, profile, await this.bootDefault()];
  }

  /** The run that each unit is in. */
  async invocations(): Promise<string[]> {
    const argv = ["systemctl", "show", "--value", "-p", "InvocationID", ...UNITS];
    return (await this.host.must(argv)).trim().split(/\n+/);
  }

  /** The host runs a as if nothing had been tried. */
  async isAsBefore(): Promise<void> {
    await this.isAtRest();
    const { units } = await this.look();
    for (const unit of UNITS) {
      assert.equal(units[unit]?.active, "active", unit);
      assert.notEqual(units[unit]?.memberOf, false, unit);
    }
  }

  /** The host runs a, and nothing is left of a transaction; after a boot the units may still be on their way. */
  async isAtRest(): Promise<void> {
    assert.deepEqual(await this.pointers(), [this.a, this.a, this.a]);
    const state = await this.look();
    assert.equal(state.activation, null);
    assert.deepEqual(state.failedUnits, []);
    assert.deepEqual(transactionRoots(state), []);
    const left = await this.host.exec(["ls", "/run/nixos"]);
    assert.doesNotMatch(left.stdout, /start-list/, "nothing is left to be started");
  }

  /** A transaction went back to a. */
  isRolledBack(said: Verdict, step: string, reason: RegExp): void {
    isRolledBack(said, step, reason);
    assert.equal(said.after.currentSystem, this.a);
    assert.equal(said.after.profile, this.a);
  }
}

/** A transaction went back to whatever ran, which is healthy. */
export function isRolledBack(said: Verdict, step: string, reason: RegExp): void {
  assert.equal(said.outcome, "rolled-back", said.reason ?? "");
  assert.equal(said.failedStep, step);
  assert.match(said.reason ?? "", reason);
  for (const probe of said.healthAfterRollback ?? [])
    assert.ok(probe.ok, `${probe.name}: ${probe.answer}`);
  assert.ok((said.healthAfterRollback ?? []).length > 0);
  assert.ok(said.diagnostics);
}

/** What a transaction holds while it runs. */
export function transactionRoots({ roots }: HostState): string[] {
  return Object.keys(roots).filter((name) => name.startsWith("transaction"));
}

export function stepsOf(said: Verdict): string[] {
  return said.steps.map(({ name }) => name);
}
