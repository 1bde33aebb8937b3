import { z } from "zod";
import { jobRecord } from "./job-record.ts";

const unitState = z.object({
  load: z.string(),
  active: z.string(),
  sub: z.string(),
  result: z.string(),
  since: z.number().nullable().optional().describe("Unix seconds, when it came into that state"),
  fragment: z.string().nullable(),
  dropIns: z.array(z.string()),
  needReload: z.boolean(),
  runs: z.array(z.string()).describe("Store paths of the main process"),
  memberOf: z.boolean().nullable().describe("Is all of `runs` in the closure of currentSystem?"),
});

const interruption = z.object({
  at: z.number().describe("Unix seconds"),
  from: z.string().nullable(),
  to: z.string().nullable(),
  booted: z.string().nullable(),
});

/** What `host/observe.sh` sees. Paths are real paths in the store, null where there is none. */
export const hostState = z.object({
  hostname: z.string(),
  machineId: z.string(),
  system: z.string(),
  nixVersion: z.string(),
  nixosVersion: z.string().nullable(),
  currentSystem: z.string().nullable(),
  bootedSystem: z.string().nullable(),
  profile: z.string().nullable(),
  bootUnproven: z
    .string()
    .nullable()
    .optional()
    .describe("The system for which the boot loader was to be written, if that has not succeeded"),
  rebootFor: z
    .string()
    .nullable()
    .optional()
    .describe(
      "What of the boot default takes effect at the next boot only, such as kernel, initrd",
    ),
  generation: z.number().nullable().optional().describe("Of the system profile"),
  moved: z
    .object({ currentSystem: z.number().nullable(), profile: z.number().nullable() })
    .nullable()
    .optional()
    .describe("Unix seconds, when these were set last"),
  failedUnits: z.array(z.string()),
  units: z.record(z.string(), unitState),
  paths: z.record(z.string(), z.boolean()),
  roots: z.record(z.string(), z.string()),
  links: z
    .record(z.string(), z.string().nullable())
    .optional()
    .describe("Where each link that was asked for leads; in words if it is none"),
  linksOnTrial: z
    .string()
    .nullable()
    .optional()
    .describe("The transaction whose links were never committed"),
  activation: z.object({ id: z.string(), step: z.string() }).nullable(),
  interrupted: z
    .object({
      id: z.string(),
      step: z.string(),
      record: interruption.nullish().describe("As the guard at boot has seen it"),
    })
    .nullable()
    .optional()
    .describe("The last transaction, if it was killed before it could report"),
  last: jobRecord
    .extend({ state: z.enum(["running", "finished", "lost"]), result: z.unknown() })
    .nullable()
    .optional()
    .describe("The last transaction, whatever came of it"),
  ledger: z.record(z.string(), z.unknown()).nullable(),
});

export type UnitState = z.infer<typeof unitState>;
export type HostState = z.infer<typeof hostState>;
