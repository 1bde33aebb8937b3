import type { Handover } from "../../contract/handover.ts";
import type { TrafficSettings } from "../../contract/traffic.ts";
import type * as pulumi from "../pulumi.ts";
import { Fitness, Proof } from "../resources.ts";
import type { Traffic } from "./index.ts";

export interface HandoverArgs extends Handover, Pick<TrafficSettings, "verify" | "drainSeconds"> {}

/** How a cloud moves traffic. */
export interface Mover {
  /** What it does, for people. */
  readonly move: string;
  /** For how long people may get the old host still. */
  readonly settleSeconds: number;
  /** The resource of the cloud's own provider. What holds an address goes on holding it, whatever becomes of the stack. */
  readonly resource: (opts: pulumi.CustomResourceOptions) => pulumi.Resource;
}

/**
 * The flip as it is wherever a cloud moves traffic. Answers who gets it, once that is proven.
 *
 *     fitness ─> what the cloud moves ─> proof
 */
export function handOver(
  name: string,
  { from, to, verify, drainSeconds }: HandoverArgs,
  { move, settleSeconds, resource }: Mover,
  parent: Traffic,
): pulumi.Output<string> {
  const before = from && { from: { name: from.name, target: from.target } };
  const fitness = new Fitness(`${name}-fitness`, { ...before, to, move }, { parent });
  const moved = resource({ parent, dependsOn: [fitness], retainOnDelete: true });
  const proof = new Proof(
    `${name}-proof`,
    { ...before, to, verify, settleSeconds, drainSeconds },
    { parent, dependsOn: [moved] },
  );
  return proof.active;
}

const MOST_SETTLE_SECONDS = 600;

/** While resolvers may still have the old record. Nobody waits in front of an `up` for what a record of a day asks for. */
export function settleSecondsOf(ttl: number): number {
  return Math.min(ttl, MOST_SETTLE_SECONDS);
}
