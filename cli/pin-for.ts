import { z } from "zod";
import { EXIT, Stop } from "./exit-code.ts";
import { Facts } from "./facts.ts";
import { type Past, pastOf, readLedger } from "./ledger.ts";
import { keepManifest, type Pin } from "./pin.ts";
import type { Project, SettledStack } from "./project.ts";

/** A stack that builds is pinned to the revision; one that takes, to the manifest of what it took. */
export async function pinFor(project: Project, stack: SettledStack, past: Past): Promise<Pin> {
  const { release, activation } = stack.settings;
  if (release.from === "build") return { rev: past.rev };
  const text = await manifestOf(project, stack, past);
  const manifest = keepManifest(project, stack.name, past.rev, text);
  const builder = new Facts(project).buildingStack(stack)?.settings.release;
  // Where all is on the host already, the way back needs no other machine.
  const alone = past.valid === true && activation.links === undefined;
  if (alone || builder?.from !== "build") return { manifest };
  return { manifest, builder: builder.builder };
}

/** The host keeps the manifests of what it has committed; the host that builds has the same. */
async function manifestOf(project: Project, stack: SettledStack, past: Past): Promise<string> {
  const own = await keptManifest(stack, past.toplevel);
  if (own !== undefined && isOf(own, past, stack)) return own;
  const source = new Facts(project).buildingStack(stack);
  if (source !== undefined && source.name !== stack.name) {
    const same = pastOf(await readLedger(source)).find(({ rev }) => rev === past.rev);
    const other = same && (await keptManifest(source, same.toplevel));
    if (other !== undefined && isOf(other, past, stack)) return other;
  }
  throw new Stop(
    EXIT.failed,
    `The manifest of ${past.rev.slice(0, 12)} is kept neither on ${stack.settings.host.name} nor where it was built. Nothing was changed. ` +
      (past.valid === true
        ? `Its system is still there: promote rollback --stack ${stack.name} --to ${past.rev.slice(0, 12)} --emergency`
        : `Build it again: promote rollback --stack ${source?.name ?? "STACK-THAT-BUILDS"} --to ${past.rev.slice(0, 12)}, then promote --stack ${stack.name}`),
  );
}

async function keptManifest(stack: SettledStack, toplevel: string): Promise<string | undefined> {
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
