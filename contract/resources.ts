import { z } from "zod";
import { connection } from "./connection.ts";
import { fullRevision, type manifest } from "./manifest.ts";
import { preflight } from "./preflight.ts";
import { probe } from "./probe.ts";
import { storePath } from "./store-path.ts";

/*
 * Inputs of the provider's resources and functions. The program builds them, the provider checks
 * them again: a resource can also come from a program that is not ours.
 */

const seconds = z.number().int().min(1).max(86400);
const text = z.string().max(4096);
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "must be a plain name");
const absolutePath = z
  .string()
  .max(1024)
  .regex(/^\/[^\p{Cc}]*$/u, "must be an absolute path");
const derivation = z.strictObject({ drvPath: z.string(), outPath: storePath });

/** What an evaluation says of a revision, before anything is built. */
export const evaluation = z.strictObject({
  rev: fullRevision,
  subject: text,
  committedAt: z.number().int(),
  flakeRef: text,
  nixVersion: z.string(),
  hosts: z.record(name, derivation),
  components: z.record(name, derivation),
});
export type Evaluation = z.infer<typeof evaluation>;

export const getReleaseInputs = z.strictObject({
  connection,
  repo: absolutePath,
  rev: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^\p{Cc}]+$/u, "must be a branch, a tag or a commit id"),
  hosts: z.array(name).min(1, "must name at least one host").max(1000),
  components: z.array(name).max(1000),
  system: z.string().regex(/^[a-z0-9_]+-[a-z]+$/, "must be a Nix system such as x86_64-linux"),
  timeoutSeconds: seconds,
});
export type GetReleaseInputs = z.infer<typeof getReleaseInputs>;

export const buildInputs = z.strictObject({
  connection,
  ...evaluation.shape,
  signingKeyFile: absolutePath.optional(),
  timeoutSeconds: seconds,
});
export type BuildInputs = z.infer<typeof buildInputs>;

/** How a closure gets to its host. `built-here`: it is there already, only rooted and verified. */
export const transport = z.discriminatedUnion("via", [
  z.strictObject({ via: z.literal("built-here") }),
  z.strictObject({
    via: z.literal("direct"),
    builder: connection,
    to: z
      .string()
      .regex(
        /^([A-Za-z0-9_.-]+@)?[A-Za-z0-9_][A-Za-z0-9_.:-]*$/,
        "must be an ssh alias or address",
      ),
  }),
  z.strictObject({ via: z.literal("relay"), builder: connection }),
]);
export type Transport = z.infer<typeof transport>;

export const closureInputs = z.strictObject({
  connection,
  path: storePath,
  transport,
  timeoutSeconds: seconds,
  diskMarginMiB: preflight.shape.diskMarginMiB.optional(),
});
export type ClosureInputs = z.infer<typeof closureInputs>;

export const systemProfileInputs = z.strictObject({
  connection,
  host: name,
  toplevel: storePath,
  rev: fullRevision,
  subject: text,
  machineId: z
    .string()
    .regex(/^[0-9a-f]{32}$/, "must be the 32 digits of /etc/machine-id")
    .optional(),
  mode: z.enum(["switch"]),
  probes: z.array(probe).max(100),
  confirm: z.boolean(),
  timeouts: z.strictObject({ switch: seconds, confirm: seconds, rollback: seconds }),
  preflight,
});
export type SystemProfileInputs = z.infer<typeof systemProfileInputs>;

/** What a host was seen to run, and where that differs from what it should. */
export const live = z.object({
  hostname: z.string(),
  machineId: z.string(),
  nixosVersion: z.string().nullable(),
  currentSystem: z.string().nullable(),
  profile: z.string().nullable(),
  bootedSystem: z.string().nullable(),
  failedUnits: z.array(z.string()),
});
export type Live = z.infer<typeof live>;

/** The last transaction of a host, as the host itself recorded it. */
export const transaction = z.object({
  id: z.string(),
  by: z.string().nullable().describe("Who started it"),
  outcome: z.string(),
  reason: z.string().nullable(),
  previousSystem: z.string().nullable(),
  startedAt: z.number().nullable(),
  finishedAt: z.number(),
  diagnosticsFile: z.string().nullable(),
  probes: z.record(z.string(), z.string()).describe("Last answer by probe"),
});

export interface BuildOutputs extends BuildInputs {
  readonly manifest: z.infer<typeof manifest>;
}
export interface ClosureOutputs extends ClosureInputs {
  readonly root: string;
}
export interface SystemProfileOutputs extends SystemProfileInputs {
  readonly live: Live;
  readonly drift: string[];
  readonly transaction: z.infer<typeof transaction> | null;
}

export const getHostInputs = z.strictObject({ connection });
export const getPlanInputs = z.strictObject({
  connection,
  host: name,
  toplevel: storePath,
  rev: fullRevision,
  subject: text,
  builder: connection,
  probes: z.array(probe),
});
export type GetPlanInputs = z.infer<typeof getPlanInputs>;
