import { z } from "zod";
import { name } from "./manifest.ts";

/** What becomes of the hosts that took the release, when another one did not. */
export const onFailure = z.enum(["stop", "rollbackWave", "rollbackAll"]);
export type OnFailure = z.infer<typeof onFailure>;

const hosts = z.number().int().min(1).max(100_000);

/** With whom a host of a fleet goes. It is how, not what: a change of it changes nothing on a host. */
export const rollout = z.strictObject({
  /** Its name in the fleet. */
  host: name,
  wave: name,
  onFailure,
  maxInFlight: hosts.describe("How many do this at the same time."),
  maxUnavailable: hosts
    .optional()
    .describe("How many may be out: those being switched, and those known to be out of reach."),
  held: z.literal(true).optional().describe("Left alone, and not looked at."),
});
export type Rollout = z.infer<typeof rollout>;

/** Where the hosts of a wave wait for each other: before the first is switched, and after the last. */
export const gateInputs = z.strictObject({
  stage: z.enum(["ready", "settled"]),
  hosts: z.array(name).min(1).max(100_000),
  rev: z.string(),
  /** The last transaction of each host: settled anew after another one. */
  after: z.record(name, z.string()).optional(),
  soakSeconds: z.number().int().min(0).max(86_400),
  rollout: rollout.omit({ host: true }),
});
export type GateInputs = z.infer<typeof gateInputs>;
