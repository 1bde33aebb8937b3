import { connectionOf, type WaysToHost } from "../contract/connection.ts";
import type { Probe } from "../contract/probe.ts";
import { contractUnits } from "../contract/units.ts";
import * as pulumi from "./pulumi.ts";
import { getHost } from "./resources.ts";

/**
 * Begins to look at the stack's host: when its resources ask what it runs, the provider knows
 * already. What goes wrong here is for the program to say, or for those resources.
 */
export async function lookAhead(config = new pulumi.Config()): Promise<void> {
  try {
    // Not checked, as this is here to be first: the provider checks whatever it is asked.
    const connection = connectionOf(config.requireObject<WaysToHost>("host"));
    const units = contractUnits(config.requireObject<Probe[]>("health"));
    await getHost({ connection, units });
  } catch {}
}
