// One row of docs/faults.md as a test: the fault with its proof, and then what must hold whatever went wrong.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import type { LabHost } from "../../lab/lab.ts";
import type { Ended, PulumiOptions } from "../../lab/project.ts";
import { assertPlain } from "../e2e/faults.ts";
import { assertRuns, eventually, isActive, type Profile, pointers } from "../e2e/world.ts";
import { isChosen } from "./choice.ts";
import { operators, type Role, signalAll } from "./processes.ts";
import { type Good, type Settings, type Stage, stage, UNITS, unchanged } from "./stage.ts";
import { way } from "./ways.ts";

const STATE = "/var/lib/nixos-promote";

/** Lists main processes of units that run programs from outside the closure of the running system. */
const FOREIGN = `closure=$(nix-store --query --requisites "$(readlink -f /run/current-system)")
for unit; do
  pid=$(systemctl show --value -p MainPID -- "$unit")
  [[ -r /proc/$pid/cmdline ]] || continue
  for path in $(tr '\\0' '\\n' </proc/$pid/cmdline | grep -o '^/nix/store/[^/]*' || true); do
    grep -qxF -- "$path" <<<"$closure" || echo "$unit runs $path"
  done
done`;

interface Status {
  readonly step: string;
  readonly message: string;
  /** By the clock of the activation, in seconds. */
  readonly at: number;
}

export interface RowOptions {
  /** The revision that the row promotes; default: the good one that prod does not run. */
  readonly release?: string;
  /** Units of the release that are down when the tool has said so, until the next `up`. */
  readonly down?: readonly string[];
  /** Pulumi was killed and could not record: its state is true again after the next command. */
  readonly unrecorded?: true;
  /** The row breaks the host on purpose in a way that only a new host mends. */
  readonly spoils?: true;
  /** Why it is a row of ssh alone. docs/faults.md says so too. */
  readonly sshOnly?: string;
}

export interface UpOptions extends PulumiOptions {
  readonly change?: (settings: Settings) => void;
}

/** `fault("N01 the network is cut", {}, async (row) => …)`: the title is the row's in docs/faults.md. */
export function fault(title: string, options: RowOptions, work: (row: Row) => Promise<void>): void {
  if (!isChosen(title, options)) return;
  it(title, async function () {
    this.timeout(300_000);
    const row = await Row.begin(options);
    try {
      await work(row);
      await row.invariants();
      if (!options.spoils) await row.converges();
    } catch (error) {
      await row.mend().catch((worse) => console.error(`prod could not be mended: ${worse}`));
      throw error;
    }
    if (options.spoils) await row.mend();
  });
}

/** Asserts that an operator reads it; if not, what is read instead. */
export function says(ended: Pick<Ended, "output">, sentence: RegExp): void {
  assert.ok(sentence.test(ended.output), `${sentence} is not in:\n${told(ended)}`);
}

/** What matters of a long output: from the diagnostics on. */
function told({ output }: Pick<Ended, "output">): string {
  const start = output.indexOf("\nDiagnostics:");
  return start < 0 ? output.slice(-6000) : output.slice(start, start + 6000);
}

export class Row {
  readonly stage: Stage;
  readonly prod: LabHost;
  readonly release: string;
  /** What prod runs before, and what it is told to run. */
  readonly before: string;
  readonly wanted: string;
  private readonly options: RowOptions;
  private readonly jobBefore: string;
  /** How the last `up` ended, if it has. */
  private ended: Ended | undefined;

  private constructor(stage: Stage, options: RowOptions, before: string, wanted: string) {
    this.stage = stage;
    this.prod = stage.prod;
    this.options = options;
    this.release = options.release ?? stage.next;
    this.before = before;
    this.wanted = wanted;
    this.jobBefore = this.lastJob;
  }

  static async begin(options: RowOptions): Promise<Row> {
    const on = await stage();
    const before = await on.toplevel(on.settled);
    const wanted = await on.toplevel(options.release ?? on.next);
    await assertRuns(on.prod, before);
    return new Row(on, options, before, wanted);
  }

  /** `pulumi up`; it resolves however that ends. */
  async up({ change = unchanged, ...options }: UpOptions = {}): Promise<Ended> {
    this.ended = undefined;
    this.ended = await this.stage.tryUp(this.release, change, options);
    return this.ended;
  }

  // ---- where it stands ----------------------------------------------------------------------

  /** Resolves when the row's activation is at a step; the host's files are read, not the network. */
  async at(step: string): Promise<void> {
    const there = () => this.lastJob !== this.jobBefore && this.status()?.step === step;
    await this.until(`prod is at the step ${step}`, there);
  }

  /** Resolves when something has come while `pulumi up` runs. */
  async until(what: string, is: () => Promise<boolean> | boolean): Promise<void> {
    const come = async () => {
      if (await is()) return true;
      if (this.ended !== undefined)
        assert.fail(`pulumi up ended before: ${what}\n${told(this.ended)}`);
      return false;
    };
    await eventually(what, come, 90);
  }

  /** The last activation of prod. */
  get lastJob(): string {
    return this.file(`${STATE}/activation`).trim();
  }

  status(): Status | undefined {
    const text = this.file(`${STATE}/jobs/${this.lastJob}/status.json`);
    return text === "" ? undefined : (JSON.parse(text) as Status);
  }

  async isBusy(): Promise<boolean> {
    if (!this.prod.isRunning()) return false;
    return isActive(this.prod, "nixos-promote-activate.service");
  }

  async isIdle(): Promise<void> {
    await eventually("the activation has ended", async () => !(await this.isBusy()), 90);
  }

  /** A file of prod, seen from outside; empty if it is not there. Not for /run, /tmp and other mounts. */
  file(path: string): string {
    const file = `${this.prod.root}${path}`;
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  exists(path: string): boolean {
    return existsSync(`${this.prod.root}${path}`);
  }

  /** Bash on prod, not over the network. */
  shell(script: string, ...parameters: string[]): Promise<string> {
    return this.prod.must(["bash", "-euc", script, "bash", ...parameters]);
  }

  operators(role: Role): number[] {
    return operators(this.stage.world.lab.dir, role);
  }

  // ---- how it ended -------------------------------------------------------------------------

  async committed(ended: Ended): Promise<void> {
    assert.equal(ended.code, 0, told(ended));
    await assertRuns(this.prod, this.wanted);
    assert.equal(this.recorded.outputs.transaction?.outcome, "committed");
  }

  /** The operator was told why, and prod runs and boots what it ran before. */
  async rolledBack(ended: Ended, reason: RegExp): Promise<void> {
    this.told(ended, reason, /It rolled back by itself: choiros-prod runs/);
    assert.doesNotMatch(ended.output, /After the rollback/);
    await assertRuns(this.prod, this.before);
    assert.equal(this.recorded.outputs.transaction?.outcome, "rolled-back");
  }

  async refused(ended: Ended, reason: RegExp): Promise<void> {
    this.told(ended, reason, /Nothing was changed/);
    await assertRuns(this.prod, this.before);
  }

  /** A failure in plain sentences. */
  told(ended: Ended, ...sentences: readonly RegExp[]): void {
    assert.notEqual(ended.code, 0, `pulumi up should have failed:\n${told(ended)}`);
    assertPlain(ended.output);
    for (const sentence of sentences) says(ended, sentence);
  }

  get recorded(): Profile {
    return this.stage.recorded();
  }

  // ---- what must hold whatever went wrong ---------------------------------------------------

  async invariants(): Promise<void> {
    for (const unit of [...UNITS, way.unit]) {
      const expected = !this.options.down?.includes(unit);
      const what = `${unit} is ${expected ? "active" : "down"} at the end`;
      await eventually(what, async () => (await isActive(this.prod, unit)) === expected);
    }
    assert.equal(
      await this.shell(FOREIGN, ...UNITS),
      "",
      "processes that are not of the running system",
    );
    if (!this.options.unrecorded) await this.assertStateIsTrue();
  }

  private async assertStateIsTrue(): Promise<void> {
    const { live } = this.recorded.outputs;
    const { currentSystem, profile } = await pointers(this.prod);
    const recorded = { currentSystem: live.currentSystem, profile: live.profile };
    assert.deepEqual(recorded, { currentSystem, profile }, "Pulumi's state is not what prod runs");
  }

  /** The next `up`, with nobody mending anything: to the release if it is good, else to what ran before. */
  async converges(): Promise<void> {
    const good = this.release === "a" || this.release === "b";
    const target: Good = good ? (this.release as Good) : this.stage.settled;
    const path = good ? this.wanted : this.before;
    if (!(await this.isSettled(path))) await this.stage.up(target);
    await assertRuns(this.prod, path);
    await this.assertStateIsTrue();
    assert.deepEqual(this.recorded.outputs.drift, []);
    for (const unit of UNITS) assert.ok(await isActive(this.prod, unit), `${unit} is down`);
    this.stage.settled = target;
  }

  private async isSettled(path: string): Promise<boolean> {
    const { inputs, outputs } = this.recorded;
    const { currentSystem, profile, bootDefault } = await pointers(this.prod);
    return (
      !this.options.unrecorded &&
      [inputs.toplevel, currentSystem, profile, bootDefault].every((seen) => seen === path) &&
      outputs.drift.length === 0
    );
  }

  /** A new host and a state that knows it, for the rows that follow. */
  async mend(): Promise<void> {
    signalAll(this.operators("any"), "SIGKILL");
    const { project } = this.stage.world;
    rmSync(`${project.directory}/state/.pulumi/locks`, { recursive: true, force: true });
    await this.stage.reset();
    this.stage.settled = "a";
    await this.stage.up("a");
  }
}
