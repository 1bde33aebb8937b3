import { z } from "zod";
import { connection, machineId } from "./connection.ts";
import { linkDirectory, linkName } from "./links.ts";
import { fullRevision } from "./manifest.ts";
import { resourceName, stackName } from "./names.ts";
import { probe, unitName } from "./probe.ts";
import { smokeTests } from "./smoke.ts";
import { storePath } from "./store-path.ts";
import { drainSeconds, proxyFile, upstream } from "./traffic.ts";

/** What a stack says of its host, for others that have to see for themselves that it is healthy. */
export const examinable = z.strictObject({
  connection,
  probes: z.array(probe).max(100),
  links: z
    .strictObject({ directory: linkDirectory, names: z.array(linkName) })
    .optional()
    .describe("What its units may run beside the system"),
});
export type Examinable = z.infer<typeof examinable>;

/** What the stack of a host has said when it was last up. */
export const testimony = z.strictObject({
  stack: stackName,
  healthy: z.boolean(),
  healthySince: z.number().nullish().describe("Unix seconds"),
  release: z
    .strictObject({ id: z.string(), rev: fullRevision, toplevel: storePath.nullish() })
    .nullish(),
  machineId: machineId.nullish(),
  examination: examinable.nullish(),
});
export type Testimony = z.infer<typeof testimony>;

/** A host that may get public traffic from a proxy. */
export const member = testimony.extend({ target: upstream });
export type Member = z.infer<typeof member>;

/** The front of some hosts: a proxy that sends public traffic to one of them. */
export const frontInputs = z.strictObject({
  connection: connection.describe("Of the proxy"),
  file: proxyFile.shape.file.unwrap(),
  unit: unitName,
  active: resourceName,
  members: z.record(resourceName, member),
  release: fullRevision.optional().describe("What a new active host has to run"),
  minHealthySeconds: z.number().int().min(0),
  verify: smokeTests,
  drainSeconds: drainSeconds.unwrap(),
});
export type FrontInputs = z.infer<typeof frontInputs>;

/** What the proxy's file says, and whether the proxy runs to read it. */
export const frontState = z.object({
  machineId: z.string(),
  target: z.string().nullable().describe("Where it sends traffic; null if there is no file"),
  trial: z.boolean().describe("By a flip that nobody has seen to be good"),
  before: z.string().nullable().describe("Where it sent it before that flip"),
  running: z.boolean(),
  connections: z
    .number()
    .nullable()
    .optional()
    .describe("From the proxy to the place that was asked about; null if nobody can say"),
});
export type FrontState = z.infer<typeof frontState>;

export interface FrontOutputs extends FrontInputs {
  /** Where traffic really goes: one of the members, or an address that is none of theirs. */
  readonly target: string | null;
  readonly machineId: string;
  /** By a flip whose end nobody has seen. */
  readonly trial: boolean;
}
