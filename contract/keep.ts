import { z } from "zod";

/** What a host keeps of the releases that it has committed. */
export const keep = z.strictObject({
  releases: z.number().int().min(0).max(9999).default(20).describe("Manifests."),
  generations: z
    .number()
    .int()
    .min(2, "must be at least 2: what runs, and what ran before it")
    .max(999)
    .default(2)
    .describe("Systems held against garbage collection, the running one among them."),
});
export type Keep = z.infer<typeof keep>;
