import { z } from "zod";

const kept = z.object({
  directory: z.string(),
  kind: z.enum(["tar", "btrfs", "zfs"]),
  path: z.string().describe("The archive or the snapshot"),
  sha256: z.string().nullable().describe("Of the archive"),
  bytes: z.number().nullable().describe("Of the archive"),
  size: z.number().describe("Of the data when it was made; 0: not known"),
  steady: z.boolean().describe("False: files were written while the archive was made"),
  there: z.boolean().describe("Is the archive or the snapshot still there?"),
});

/** What `host/backups.sh` answers: backups of mutable data, the newest first. */
export const backups = z.object({
  backups: z.array(
    z.object({
      name: z.string().describe("Of the transaction that has made it"),
      at: z.number().describe("Unix seconds"),
      system: z.string().nullable().describe("What the way back led to when it was made"),
      directories: z.array(kept),
    }),
  ),
});
export type Backup = z.infer<typeof backups>["backups"][number];

/** How `host/restore-data.sh` ends. `whole`: it was only checked, and could be restored. */
export const restored = z.object({
  outcome: z.enum(["restored", "whole"]),
  backup: z.string(),
  directories: z.array(
    z.object({
      directory: z.string(),
      aside: z.string().nullable().describe("Where what was there before is now"),
    }),
  ),
  reason: z.string().nullable().describe("What is not as before all the same"),
});
export type Restored = z.infer<typeof restored>;
