import { z } from "zod";

/** Who works on a host: the operator's account and machine, the Pulumi process, and the stack. */
export const operator = z.object({
  user: z.string(),
  host: z.string(),
  pid: z.string(),
  stack: z.string(),
});
export type Operator = z.infer<typeof operator>;

/** What a host keeps of a job: who started it, what for, and where it is. */
export const jobRecord = z.object({
  id: z.string(),
  by: operator.nullable(),
  what: z.string().nullable(),
  path: z.string().nullable().describe("The store path that it is about"),
  contract: z.string().nullable().describe("The same for two jobs that would do the same"),
  startedAt: z.number().nullable(),
  step: z.string().nullable(),
  since: z.number().nullable().describe("When the step began"),
});
export type JobRecord = z.infer<typeof jobRecord>;

/** `alice@laptop (process 4711, stack prod)` */
export function describeOperator(by: Operator | null): string {
  if (by === null) return "somebody";
  const details = [by.pid && `process ${by.pid}`, by.stack && `stack ${by.stack}`].filter(Boolean);
  return `${by.user}@${by.host}${details.length === 0 ? "" : ` (${details.join(", ")})`}`;
}

/** Seconds since 1970 as people write them. */
export function describeTime(seconds: number | null): string {
  if (seconds === null) return "an unknown time";
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
