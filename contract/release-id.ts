import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import type { AnyManifest, Manifest } from "./manifest.ts";
import type { ManifestEnv } from "./manifest-env.ts";

type Content = AnyManifest | ManifestEnv | Omit<Manifest, "id">;

/** What the id and the signature of a manifest are about. */
export function signedText(manifest: Content): string {
  return canonicalJson({ ...manifest, id: undefined, signature: undefined });
}

export function releaseId(manifest: Content): string {
  return createHash("sha256").update(signedText(manifest)).digest("hex");
}
