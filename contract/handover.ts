import { z } from "zod";
import { testimony } from "./front.ts";
import { resourceName } from "./names.ts";
import { smokeTests } from "./smoke.ts";
import { drainSeconds } from "./traffic.ts";

/*
 * Public traffic that a cloud moves from one host to another: what is ours of it stands before and behind the resource
 * that the cloud's own provider has for it.
 */

/** One of the hosts: its name, and what stands for it there. */
export const place = z.strictObject({ name: resourceName, target: z.string().min(1).max(253) });
export type Place = z.infer<typeof place>;

export const side = place.extend({
  said: testimony.optional().describe("By its stack, if one is named"),
});
export type Side = z.infer<typeof side>;

/** Who gets traffic, and who had it for good before: nobody yet, the same one, or the old active host. */
export interface Handover {
  readonly from?: Side | undefined;
  readonly to: Side;
}

export function isFlip({ from, to }: { from?: Place | undefined; to: Place }): boolean {
  return from?.name !== to.name || from.target !== to.target;
}

/** `prod-a (192.0.2.10)`. */
export function describePlace({ name, target }: Place): string {
  return `${name} (${target})`;
}

/** Before traffic moves: is the host that is to get it healthy now? */
export const fitnessInputs = z.strictObject({
  from: place.optional(),
  to: side,
  move: z.string().max(1000).describe("How it is moved, for people"),
});
export type FitnessInputs = z.infer<typeof fitnessInputs>;

/** After traffic has moved: do people get that host, and still when the old one has nothing left to do? */
export const proofInputs = z.strictObject({
  from: place.optional(),
  to: side,
  verify: smokeTests,
  settleSeconds: z
    .number()
    .int()
    .min(0)
    .max(3600)
    .describe("For how long people may get the old one still"),
  drainSeconds: drainSeconds.unwrap(),
});
export type ProofInputs = z.infer<typeof proofInputs>;

export interface ProofOutputs extends ProofInputs {
  /** Where traffic goes. */
  readonly active: string;
  readonly proven: boolean;
}
