import { resolve } from "node:path";
import type { Settings } from "../settings.ts";
import type { Call } from "./commands.ts";
import { listOf } from "./flags.ts";
import type { Project } from "./project.ts";
import type { Showing } from "./pulumi.ts";

/** The policies that previews and updates of a stack are held to: those of its settings, and of `--policy-pack`. */
export function policiesOf(
  { flags, cwd }: Pick<Call, "flags" | "cwd">,
  { directory }: Pick<Project, "directory">,
  { settings }: { readonly settings: Pick<Settings, "policyPacks"> },
): Showing {
  const own = (settings.policyPacks ?? []).map((pack) => resolve(directory, pack));
  const given = listOf(flags, "policy-pack").map((pack) => resolve(cwd, pack));
  return { policyPacks: [...new Set([...own, ...given])] };
}
