import { setTimeout as sleep } from "node:timers/promises";

interface Step {
  readonly step: string;
  readonly seconds?: number;
  /** Until somebody confirms. */
  readonly waits?: boolean;
}

/** A job of a simulated host: its steps one after the other, then a result. It ends with our process. */
export class SimulatedJob {
  private version = 0;
  private step: string;
  private result: object | undefined;
  private decision: string | null = null;
  private decide: () => void = () => {};
  private wake: (() => void)[] = [];

  constructor(steps: readonly Step[], result: (cancelled: boolean) => object) {
    this.step = steps[0]?.step ?? "start";
    this.run(steps, result);
  }

  private async run(steps: readonly Step[], result: (cancelled: boolean) => object): Promise<void> {
    for (const { step, seconds = 0, waits } of steps) {
      this.tell(step);
      if (waits)
        await new Promise<void>((decide) => {
          this.decide = decide;
        });
      else await sleep(seconds * 1000);
    }
    this.result = result(this.decision === "cancelled");
    this.tell("done");
  }

  /** What is new since that version, when there is something, or after a while. */
  async news(seen: number, waitSeconds: number): Promise<object> {
    if (this.version <= seen && this.result === undefined) {
      const late = new AbortController();
      await Promise.race([
        new Promise<void>((wake) => this.wake.push(wake)),
        sleep(waitSeconds * 1000, undefined, { signal: late.signal }).catch(() => {}),
      ]);
      late.abort();
    }
    return {
      state: this.result === undefined ? "running" : "finished",
      ...{ version: this.version, step: this.step, message: this.step },
      ...{ result: this.result ?? null, exitCode: this.result === undefined ? null : 0 },
      logTail: null,
    };
  }

  confirm(): object {
    this.decision ??= "confirmed";
    this.decide();
    return { accepted: this.decision === "confirmed", decision: this.decision };
  }

  cancel(): object {
    const before = this.decision;
    this.decision ??= "cancelled";
    this.decide();
    return { cancelled: before === null, decision: this.decision };
  }

  private tell(step: string): void {
    this.step = step;
    this.version += 1;
    for (const wake of this.wake.splice(0)) wake();
  }
}
