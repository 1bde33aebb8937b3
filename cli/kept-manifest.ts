import { z } from "zod";
import { Facts } from "./facts.ts";
import { type Past, pastOf, readLedger } from "./ledger.ts";
import type { Project, SettledStack } from "./project.ts";

/** The manifest of a release as text. The host keeps those of what it has committed; the host that builds has the same. */
export async function keptManifest(
  project: Project,
  stack: SettledStack,
  past: Past,
): Promise<string | undefined> {
  const own = await manifestBy(stack, past.toplevel);
  if (own !== undefined && isOf(own, past, stack)) return own;
  const source = new Facts(project).buildingStack(stack);
  if (source === undefined || source.name === stack.name) return undefined;
  const same = pastOf(await readLedger(source)).find(({ rev }) => rev === past.rev);
  const other = same && (await manifestBy(source, same.toplevel));
  return other !== undefined && isOf(other, past, stack) ? other : undefined;
}

async function manifestBy(stack: SettledStack, toplevel: string): Promise<string | undefined> {
  return (await readLedger(stack, { limit: 1, toplevel })).manifest ?? undefined;
}

const about = z.object({
  rev: z.string(),
  hosts: z.record(z.string(), z.object({ path: z.string() })),
});

/** A host keeps one manifest for each system: of two releases with the same one, either brings it back. */
function isOf(text: string, { rev, toplevel }: Past, { settings }: SettledStack): boolean {
  const { data } = about.safeParse(JSON.parse(text));
  if (data === undefined) return false;
  const sameSystem =
    settings.activation.links === undefined && data.hosts[settings.host.name]?.path === toplevel;
  return data.rev === rev || sameSystem;
}
