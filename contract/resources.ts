import { z } from "zod";
import { cache, publicKey } from "./cache.ts";
import { checkout } from "./checkout.ts";
import { connection, machineId } from "./connection.ts";
import { data } from "./data.ts";
import { Goal, mode } from "./goal.ts";
import { keep } from "./keep.ts";
import { links } from "./links.ts";
import { type anyManifest, fullRevision, mutableData, name, system } from "./manifest.ts";
import { preflight } from "./preflight.ts";
import { probe, unitName } from "./probe.ts";
import { rollout } from "./rollout.ts";
import { smokeMistake, smokeTests } from "./smoke.ts";
import { storePath } from "./store-path.ts";

/*
 * Inputs of the provider's resources and functions. The program builds them, the provider checks
 * them again: a resource can also come from a program that is not ours.
 */

const seconds = z.number().int().min(1).max(86400);
const text = z.string().max(4096);
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
  hosts: z.record(name, derivation.extend({ system })),
  components: z.record(system, z.record(name, derivation)),
});
export type Evaluation = z.infer<typeof evaluation>;

export const branch = z
  .string()
  .max(255)
  .regex(/^[^\p{Cc}\s~^:?*[{\\-][^\p{Cc}\s~^:?*[{\\]*$/u, "must be a branch such as main");

export const getReleaseInputs = z.strictObject({
  connection,
  repo: absolutePath,
  rev: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^\p{Cc}]+$/u, "must be a branch, a tag or a commit id"),
  branch: branch.optional().describe("The revision must be on it."),
  requireClean: z.boolean().describe("Refuse a working tree with uncommitted changes."),
  hosts: z
    .record(name, system)
    .refine((hosts) => Object.keys(hosts).length > 0, "must name at least one host"),
  components: z.array(name).max(1000),
  timeoutSeconds: seconds,
});
export type GetReleaseInputs = z.infer<typeof getReleaseInputs>;

export const buildInputs = z.strictObject({
  connection,
  ...evaluation.shape,
  signingKeyFile: absolutePath.optional(),
  manifestKeyFile: absolutePath.optional(),
  changesSchema: z.array(mutableData).optional(),
  keep: z
    .number()
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe("Releases that the builder holds against garbage collection. Default: this one."),
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
  z.strictObject({
    via: z.literal("cache"),
    builder: connection,
    caches: z.array(cache).min(1, "must name at least one cache").max(10),
    trustedKeys: z
      .array(publicKey)
      .max(20)
      .optional()
      .describe("Keys that the host trusts for this beside those of its own settings."),
    check: z
      .enum(["warn", "fail"])
      .optional()
      .describe("What an ill cache does to a preview and an `up`. Default: warn."),
    hostBuildFallback: z
      .boolean()
      .optional()
      .describe("The host may build what it cannot take from a cache. Default: it never builds."),
  }),
]);
export type Transport = z.infer<typeof transport>;

export const closureInputs = z.strictObject({
  connection,
  path: storePath,
  transport,
  timeoutSeconds: seconds,
  diskMarginMiB: preflight.shape.diskMarginMiB.optional(),
  rollout: rollout.optional(),
});
export type ClosureInputs = z.infer<typeof closureInputs>;

const systemProfileShape = z.strictObject({
  connection,
  host: name,
  strategy: z
    .enum(["closure", "links", "flake"])
    .optional()
    .describe(
      "The system as copied, links alone, or the system as the host builds it itself. Default: closure.",
    ),
  toplevel: storePath.optional(),
  links: links.optional(),
  checkout: checkout.optional(),
  rev: fullRevision,
  subject: text,
  machineId: machineId.optional(),
  mode,
  probes: z.array(probe).max(100),
  /** Which failed units make a release fail. `tolerant`: its own. `strict`: any that had not failed before. */
  unitFailures: z.enum(["tolerant", "strict"]).optional(),
  smoke: smokeTests.optional(),
  confirm: z.boolean(),
  timeouts: z.strictObject({
    ...{ switch: seconds, confirm: seconds, rollback: seconds },
    build: seconds.optional().describe("Of a checkout. Default: 3600."),
  }),
  preflight,
  keep: keep.optional(),
  data: data.optional().describe("Mutable data, backed up before the release may change them."),
  manifest: z
    .string()
    .refine((json) => Buffer.byteLength(json) <= 262144, "must not be longer than 256 KiB")
    .optional()
    .describe("Of the release, as JSON: what the host keeps of it, and no part of what is wanted."),
  rollout: rollout.optional().describe("Of a host of a fleet."),
});
export const systemProfileInputs = systemProfileShape
  .refine(({ strategy, toplevel }) => strategy === "links" || toplevel !== undefined, {
    path: ["toplevel"],
    message: "must be given, unless the strategy is links",
  })
  .refine(({ strategy, links: given }) => strategy !== "links" || given !== undefined, {
    path: ["links"],
    message: "must be given where the strategy is links",
  })
  .refine(({ strategy, checkout: given }) => strategy !== "flake" || given !== undefined, {
    path: ["checkout"],
    message: "must be given where the strategy is flake",
  })
  .superRefine(({ smoke = [], confirm, mode: wanted, timeouts }, context) => {
    const waits = confirm && Goal.of(wanted).asksForConfirmation;
    const mistake = smoke.length === 0 ? undefined : smokeMistake(smoke, waits, timeouts.confirm);
    if (mistake !== undefined)
      context.addIssue({ code: "custom", path: ["smoke"], message: mistake });
  });
export type SystemProfileInputs = z.infer<typeof systemProfileShape>;

/** What a host was seen to run, and where that differs from what it should. */
export const live = z.object({
  hostname: z.string(),
  machineId: z.string(),
  nixosVersion: z.string().nullable(),
  currentSystem: z.string().nullable(),
  profile: z.string().nullable(),
  bootUnproven: z.string().optional().describe("The boot loader could not be written for it"),
  bootedSystem: z.string().nullable(),
  failedUnits: z.array(z.string()),
  links: z.record(z.string(), z.string().nullable()).optional().describe("Where each leads"),
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
  readonly manifest: z.infer<typeof anyManifest>;
  /** Releases before it that the builder still holds, the newest first, by the names of their roots. */
  readonly earlier?: { readonly rev: string; readonly roots: string[] }[];
}
export interface ClosureOutputs extends ClosureInputs {
  readonly root: string;
}
export interface SystemProfileOutputs extends SystemProfileInputs {
  readonly live: Live;
  readonly drift: string[];
  /** What is as wanted, and not yet or not for long: sentences. */
  readonly pending: string[];
  readonly transaction: z.infer<typeof transaction> | null;
}

export const getHostInputs = z.strictObject({ connection, units: z.array(unitName).max(100) });
export type GetHostInputs = z.infer<typeof getHostInputs>;
export const getPlanInputs = z.strictObject({
  connection,
  host: name,
  mode,
  toplevel: storePath.optional(),
  links: links.optional(),
  rev: fullRevision,
  subject: text,
  builder: connection,
  transport: transport.optional(),
  probes: z.array(probe),
  smoke: smokeTests.optional(),
});
export type GetPlanInputs = z.infer<typeof getPlanInputs>;

/** Of many hosts: what they have in common is given once. */
export const getWavePlanInputs = z.strictObject({
  common: z.record(z.string(), z.unknown()),
  hosts: z.array(z.record(z.string(), z.unknown())).min(1).max(100_000),
  detailed: z.boolean().describe("Also what a document has of it."),
});
export type GetWavePlanInputs = z.infer<typeof getWavePlanInputs>;
export interface WavePlan {
  readonly groups: readonly {
    readonly hosts: readonly string[];
    readonly text: string;
    /** Sentences; what is wrong with the caches. */
    readonly problems: readonly string[];
    /** As of the first of its hosts. */
    readonly change?: object;
  }[];
  /** Hosts of which there is nothing to be told. */
  readonly settled: readonly string[];
  /** Hosts that could not be looked at, and why. */
  readonly unseen: readonly { readonly host: string; readonly message: string }[];
  readonly machines?: readonly object[];
}

export const verifySignatureInputs = z.strictObject({
  text: z.string(),
  signature: z.string(),
  allowedSigners: absolutePath.describe("A file as ssh-keygen has it, on this machine"),
});
export type VerifySignatureInputs = z.infer<typeof verifySignatureInputs>;
