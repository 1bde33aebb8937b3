import { z } from "zod";
import { operator } from "./job-record.ts";
import { switchedUnits } from "./unit-changes.ts";
import { outcome } from "./verdict.ts";

const seconds = z.number().nullable().describe("Unix seconds");
const system = z.string().nullable().optional();

/** What a host ran and would boot. */
const pointers = z.object({
  currentSystem: system,
  profile: system,
  bootedSystem: system,
  links: z.record(z.string(), z.string().nullable()).nullish().describe("Where each leads"),
});

const backedUp = z.object({
  directory: z.string(),
  kind: z.enum(["tar", "btrfs", "zfs"]),
  path: z.string().describe("The archive or the snapshot"),
  sha256: z.string().nullable().describe("Of the archive"),
  bytes: z.number().nullable(),
  steady: z.boolean().describe("False: files were written while the archive was made"),
});

/** A backup of mutable data, made before an activation. */
const backup = z.object({
  name: z.string().describe("Its directory in /var/lib/nixos-promote/backups"),
  changes: z.array(z.string()).describe("What the release changes, by its manifest"),
  directories: z.array(backedUp),
});

/** Data that somebody has brought back. `aside`: where what was there is now. */
const restored = z.object({
  backup: z.string(),
  directories: z.array(z.object({ directory: z.string(), aside: z.string().nullable() })),
});

/**
 * A line of `/var/lib/nixos-promote/ledger.jsonl`: one for every transaction, whatever came of it. `cut-off`: it was killed,
 * or the power was cut; the next one has put that on record. `restored` is the end of a restore of data, with mode restore-data.
 * Records of earlier versions have less.
 */
export const ledgerRecord = z.object({
  at: z.number().describe("Unix seconds, when it was written"),
  id: z.string(),
  mode: z.string().optional(),
  outcome: z.enum([...outcome.exclude(["shown"]).options, "cut-off", "interrupted", "restored"]),
  toplevel: z.string().nullable().optional(),
  previous: z.string().nullable().optional().describe("What the way back led to"),
  release: z
    .object({ rev: z.string().nullish(), subject: z.string().nullish() })
    .loose()
    .optional(),
  by: operator.omit({ pid: true }).nullish(),
  executor: z.string().nullish().describe("The kind of way: ssh, awsSsm, local"),
  failedStep: z.string().nullish(),
  reason: z.string().nullish(),
  startedAt: seconds.optional(),
  finishedAt: seconds.optional().describe("Of one that was cut off: its last sign of life"),
  steps: z.array(z.object({ name: z.string(), seconds: z.number() })).optional(),
  before: pointers.nullish(),
  after: pointers.nullish(),
  diagnosticsFile: z.string().nullish(),
  units: switchedUnits.nullish().describe("Null: no switch was run"),
  backup: backup.nullish(),
  restored: restored.nullish(),
});
export type LedgerRecord = z.infer<typeof ledgerRecord>;

/** What `host/history.sh` answers. */
export const history = z.object({
  records: z.array(ledgerRecord).describe("The newest first"),
  damaged: z.number().describe("Lines among them that are no records"),
  releases: z
    .array(
      z.object({
        toplevel: z.string(),
        valid: z.boolean().nullable().describe("Null: the store could not be asked"),
        held: z.boolean().describe("Held against garbage collection by a root of ours"),
        manifest: z.boolean().describe("Is its manifest kept?"),
      }),
    )
    .describe("The systems of the records, the newest first"),
  manifest: z.string().nullable().describe("Of [toplevel], as the text that was kept"),
});
export type History = z.infer<typeof history>;
