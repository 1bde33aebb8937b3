import { z } from "zod";
import { Facts } from "./facts.ts";
import { type Older, type Past, pastOf, readLedger } from "./ledger.ts";
import type { Project, SettledStack } from "./project.ts";

/** The manifest of a release as text: of the host, which keeps those of what it has committed; else of the host that builds; else of Pulumi. */
export async function keptManifest(
  project: Project,
  stack: SettledStack,
  past: Past,
  older: Older = async () => [],
): Promise<string | undefined> {
  if (past.recorded !== undefined) return past.recorded;
  const kept = await manifestOfHosts(project, stack, past);
  if (kept !== undefined) return kept;
  const known = await older().catch(() => []);
  return known.find(({ rev, toplevel }) => rev === past.rev && toplevel === past.toplevel)
    ?.recorded;
}

async function manifestOfHosts(
  project: Project,
  stack: SettledStack,
  past: Past,
): Promise<string | undefined> {
  const own = await manifestBy(stack, past);
  if (own !== undefined && isOf(own, past, stack)) return own;
  const source = new Facts(project).buildingStack(stack);
  if (source === undefined || source.name === stack.name) return undefined;
  const same = pastOf(await readLedger(source)).find(({ rev }) => rev === past.rev);
  const other = same && (await manifestBy(source, same));
  return other !== undefined && isOf(other, past, stack) ? other : undefined;
}

export async function manifestBy(
  stack: SettledStack,
  { toplevel, id }: Past,
): Promise<string | undefined> {
  return (await readLedger(stack, { limit: 1, toplevel, id })).manifest ?? undefined;
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
