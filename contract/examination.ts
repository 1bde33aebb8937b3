import { z } from "zod";

/** What `host/doctor.sh` finds on a host. Sizes in bytes. */
export const examination = z.object({
  nix: z.object({
    requireSigs: z.boolean(),
    trustedKeys: z.array(z.string()),
    substituters: z.array(z.string()),
  }),
  free: z.record(z.string(), z.number()).describe("By mount point"),
  memory: z.number().nullable(),
  repository: z
    .union([
      z.object({ error: z.string() }),
      z.object({
        error: z.null(),
        commit: z.string().nullable().describe("What the revision is; null if it is not there"),
        subject: z.string(),
        dirty: z.array(z.string()).describe("The first lines of git status"),
        dirtyCount: z.number(),
        ahead: z.number().nullable().describe("Commits of the revision that the other one lacks"),
        behind: z.number().nullable().describe("Commits of the other one that the revision lacks"),
      }),
    ])
    .nullable(),
  signingKey: z
    .object({
      publicKey: z.string().nullable(),
      mode: z.string().nullable(),
      error: z.string().nullable(),
    })
    .nullable(),
  reached: z
    .object({ machineId: z.string().nullable(), said: z.string() })
    .nullable()
    .describe("The machine at the other end of the builder's way to a host"),
});
export type Examination = z.infer<typeof examination>;
