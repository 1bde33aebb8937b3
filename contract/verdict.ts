import { z } from "zod";
import { mode } from "./goal.ts";
import { switchedUnits } from "./unit-changes.ts";

const probeResult = z.object({
  name: z.string(),
  kind: z.string(),
  required: z.boolean().optional(),
  ok: z.boolean(),
  attempts: z.number(),
  seconds: z.number(),
  answer: z.string(),
  changes: z
    .array(z.object({ seconds: z.number(), ok: z.boolean(), answer: z.string() }))
    .optional()
    .describe("The first few answers that were others than before, if it was not right at once"),
});

const pointers = z.object({ currentSystem: z.string().nullable(), profile: z.string().nullable() });

/** Where a link led, before and now; in words if it was none. `kept`: where that file is now. */
const linkChange = z.object({
  name: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  kept: z.string().nullable(),
});

/**
 * committed: it is what the host runs, or in mode boot, will run. tested, shown: what was asked for.
 * refused: nothing that runs was touched.
 */
export const outcome = z.enum([
  ...(["committed", "tested", "shown"] as const),
  ...(["rolled-back", "rollback-failed", "refused"] as const),
]);

/** How a transaction ended, in the host's own words. */
export const verdict = z.object({
  id: z.string(),
  mode,
  outcome,
  failedStep: z.string().nullable(),
  reason: z.string().nullable(),
  advice: z.string().nullable().describe("What to do about a refusal"),
  notes: z.array(z.string()).describe("What decided nothing, but is worth knowing"),
  toplevel: z.string(),
  before: pointers,
  after: pointers,
  switch: z.object({ exit: z.number(), seconds: z.number(), output: z.string() }).nullable(),
  units: switchedUnits.nullish().describe("What the switch did to units; null: there was none"),
  shown: z.string().nullable().describe("What dry-activate would do"),
  links: z.array(linkChange).nullable(),
  rollback: z.object({ exit: z.number(), seconds: z.number() }).nullable(),
  probes: z.array(probeResult),
  healthAfterRollback: z.array(probeResult).nullable(),
  diagnostics: z.string().nullable(),
  diagnosticsFile: z.string().nullable(),
  steps: z.array(z.object({ name: z.string(), seconds: z.number() })),
  startedAt: z.number(),
  finishedAt: z.number(),
});

export type ProbeResult = z.infer<typeof probeResult>;
export type Verdict = z.infer<typeof verdict>;
