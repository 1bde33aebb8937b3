import { z } from "zod";
import { storePath } from "./store-path.ts";

export const fullRevision = z.string().regex(/^[0-9a-f]{40}$/, "must be a full commit id");
export const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "must be a plain name");
export const system = z
  .string()
  .regex(/^[a-z0-9_]+-[a-z]+$/, "must be a Nix system such as x86_64-linux");
/** One thing outside of the store that a release changes, such as a database. */
export const mutableData = z
  .string()
  .max(255)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u, "must be the name of something, such as hypervisor.db");

/** One built store path. Sizes in bytes; `closureSize` counts the path and all it refers to. */
export const builtPath = z.strictObject({
  path: storePath,
  narHash: z.string(),
  narSize: z.number().int().min(0),
  closureSize: z.number().int().min(0),
});

const revision = {
  rev: fullRevision,
  // A half of a surrogate pair has no UTF-8, so it could not be signed.
  subject: z.string().regex(/^\P{Cs}*$/u, "must be text"),
  committedAt: z.number().int().describe("Unix seconds"),
  flakeRef: z.string(),
  nixVersion: z.string(),
};

/** What one build made: a toplevel for each host and the components that the hosts share. */
export const manifest = z.strictObject({
  schema: z.literal(2),
  id: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in hexadecimal digits")
    .describe("SHA-256 of the canonical JSON without id and signature"),
  ...revision,
  builtAt: z.number().int().describe("Unix seconds"),
  hosts: z.record(name, builtPath.extend({ system })),
  components: z.record(system, z.record(name, builtPath)).describe("One set for each system"),
  changesSchema: z
    .array(mutableData)
    .optional()
    .describe("Mutable data that the release changes the form of"),
  signature: z
    .string()
    .optional()
    .describe("Of the canonical JSON without id and signature, by ssh-keygen -Y sign"),
});

const manifest1 = z.strictObject({
  schema: z.literal(1),
  ...revision,
  hosts: z.record(z.string(), builtPath),
  components: z.record(z.string(), builtPath),
});

/** What can be read: version 1 has no id, no systems and no signature. */
export const anyManifest = z.discriminatedUnion("schema", [manifest, manifest1], {
  error: ({ code }) => (code === "invalid_union" ? "must be 1 or 2, as far as we know" : undefined),
});

export type Manifest = z.infer<typeof manifest>;
export type AnyManifest = z.infer<typeof anyManifest>;
