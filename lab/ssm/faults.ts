// What goes wrong on demand. Each fault is for so many times, and counts how often it has happened.
import { ApiError } from "./errors.ts";

export interface Faults {
  /** Calls of this operation (or of all) are throttled. */
  throttle?: { operation?: string; times: number };
  /** These operations are refused as IAM refuses them. */
  denied?: { operations: readonly string[] };
  /** Every call is refused: the token has expired. */
  expired?: Record<string, never>;
  /** The status of a command that has ended is shown so much later. */
  late?: { milliseconds: number };
  /** Commands that are taken, and then: never known (`vanish`), never delivered, or their end never told (`stuck`). */
  lose?: { how: "vanish" | "undelivered" | "stuck"; times: number };
  /** Commands that the agent gets twice: while the first runs, or after it. */
  duplicate?: { when: "during" | "after"; times: number };
  /**
   * The agent restarts while a command runs: its worker lives on, dies alone or with its script, or is forgotten and
   * started anew.
   */
  restart?: {
    worker: "lives" | "dies" | "killed" | "again";
    afterMilliseconds: number;
    times: number;
  };
  /** Instances that SSM does not list. */
  unregistered?: { instances: readonly string[] };
}

export type FaultName = keyof Faults;

export class FaultBox {
  readonly happened: Partial<Record<FaultName, number>> = {};
  #active: Faults = {};

  /** In place of all that was set before. */
  set(faults: Faults): void {
    this.#active = structuredClone(faults);
    for (const name of Object.keys(this.happened) as FaultName[]) delete this.happened[name];
  }

  get<N extends FaultName>(name: N): Faults[N] {
    return this.#active[name];
  }

  count(name: FaultName): void {
    this.happened[name] = (this.happened[name] ?? 0) + 1;
  }

  /** The fault, if it is to happen once more. */
  take<N extends "lose" | "duplicate" | "restart">(name: N): Faults[N] {
    const fault: { times: number } | undefined = this.#active[name];
    if (fault === undefined || fault.times <= 0) return undefined as Faults[N];
    fault.times -= 1;
    this.count(name);
    return this.#active[name];
  }

  /** What a call meets before it is looked at. */
  meet(operation: string): void {
    const { throttle, denied, expired } = this.#active;
    if (expired !== undefined) {
      this.count("expired");
      throw new ApiError(
        "ExpiredTokenException",
        "The security token included in the request is expired",
      );
    }
    if (denied?.operations.includes(operation)) {
      this.count("denied");
      throw new ApiError(
        "AccessDeniedException",
        `User: arn:aws:iam::111122223333:user/lab is not authorized to perform: ssm:${operation} because no identity-based policy allows the ssm:${operation} action`,
      );
    }
    if (throttle === undefined || throttle.times <= 0) return;
    if (throttle.operation !== undefined && throttle.operation !== operation) return;
    throttle.times -= 1;
    this.count("throttle");
    throw new ApiError("ThrottlingException", "Rate exceeded");
  }
}
