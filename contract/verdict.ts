import { z } from "zod";

const probeResult = z.object({
  name: z.string(),
  kind: z.string(),
  required: z.boolean().optional(),
  ok: z.boolean(),
  attempts: z.number(),
  seconds: z.number(),
  answer: z.string(),
});

const pointers = z.object({ currentSystem: z.string().nullable(), profile: z.string().nullable() });

/** How a transaction ended, in the host's own words. */
export const verdict = z.object({
  id: z.string(),
  outcome: z.enum(["committed", "rolled-back", "rollback-failed", "refused"]),
  failedStep: z.string().nullable(),
  reason: z.string().nullable(),
  advice: z.string().nullable().describe("What to do about a refusal"),
  notes: z.array(z.string()).describe("What decided nothing, but is worth knowing"),
  toplevel: z.string(),
  before: pointers,
  after: pointers,
  switch: z.object({ exit: z.number(), seconds: z.number(), output: z.string() }).nullable(),
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
