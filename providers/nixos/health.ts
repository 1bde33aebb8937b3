import { z } from "zod";
import type { Examinable } from "../../contract/front.ts";
import { completeProbe } from "../../contract/probe.ts";
import type { Argument } from "../executors/argument.ts";
import { call } from "../executors/executor.ts";
import { type Route, reach } from "./route.ts";

const health = z.object({
  machineId: z.string(),
  currentSystem: z.string().nullable(),
  reason: z.string().nullable().describe("Which probe failed, and how; null while it is healthy"),
});
export type Health = z.infer<typeof health>;

/** What a host says of its health now, by its own probes: they get no grace, as its services have long been up. */
export function examine({ connection, probes, links }: Examinable, route: Route): Promise<Health> {
  const given = { probes: probes.map(completeProbe) as Argument[], links };
  const options = { timeoutSeconds: 90, endsWithUs: true };
  return call(reach(connection, route), "health", given, health, options);
}
