import type { z } from "zod";
import type { Reporter } from "./engine.ts";

/** One resource type of the provider, on typed data. `main.ts` speaks Pulumi's protocol for all. */
export interface Resource<Inputs extends object, Outputs extends Inputs> {
  readonly inputs: z.ZodType<Inputs>;
  /** Does the state differ from what is wanted? `replaces` names what cannot be updated. */
  diff(state: Outputs, wanted: Inputs): { changes: boolean; replaces?: string[] };
  create(wanted: Inputs, report: Reporter): Promise<{ id: string; outputs: Outputs }>;
  /** The recorded state as it is now, seen over the wanted way; undefined when it is gone. */
  refresh(state: Outputs, wanted: Inputs, report: Reporter): Promise<Outputs | undefined>;
  /** What is really there; undefined when it is gone. `state` is undefined on import. */
  read(
    id: string,
    state: Outputs | undefined,
    report: Reporter,
  ): Promise<{ inputs: Inputs; outputs: Outputs } | undefined>;
  update(state: Outputs, wanted: Inputs, report: Reporter): Promise<Outputs>;
  delete(state: Outputs, report: Reporter): Promise<void>;
}

/** A provider function. */
export interface Invocation<Inputs extends object> {
  readonly inputs: z.ZodType<Inputs>;
  call(inputs: Inputs): Promise<object>;
}

/**
 * The operation ended, and not as wanted, but we know what is there now: Pulumi records
 * `properties` together with the reasons, and the next `up` tries again.
 */
export class PartialFailure extends Error {
  readonly id: string;
  readonly properties: object;
  readonly reasons: string[];

  constructor(id: string, properties: object, reasons: string[]) {
    super(reasons.join("\n"));
    this.id = id;
    this.properties = properties;
    this.reasons = reasons;
  }
}
