import { z } from "zod";
import { storePath } from "./store-path.ts";

export const fullRevision = z.string().regex(/^[0-9a-f]{40}$/, "must be a full commit id");

/** One built store path. Sizes in bytes; `closureSize` counts the path and all it refers to. */
export const builtPath = z.strictObject({
  path: storePath,
  narHash: z.string(),
  narSize: z.number().int().min(0),
  closureSize: z.number().int().min(0),
});

/** What one build made: a toplevel for each host and the components that the hosts share. */
export const manifest = z.strictObject({
  schema: z.literal(1),
  rev: fullRevision,
  subject: z.string(),
  committedAt: z.number().int().describe("Unix seconds"),
  flakeRef: z.string(),
  nixVersion: z.string(),
  hosts: z.record(z.string(), builtPath),
  components: z.record(z.string(), builtPath),
});

export type BuiltPath = z.infer<typeof builtPath>;
export type Manifest = z.infer<typeof manifest>;
