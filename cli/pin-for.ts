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
  const { manifest } = await readLedger(stack, { limit: 1, toplevel: past.toplevel });
  if (manifest !== null) return manifest;
  const source = new Facts(project).buildingStack(stack);
  const same =
    source === undefined || source.name === stack.name
      ? undefined
      : pastOf(await readLedger(source)).find(({ rev }) => rev === past.rev);
  const kept =
    source === undefined || same === undefined
      ? null
      : (await readLedger(source, { limit: 1, toplevel: same.toplevel })).manifest;
  if (kept !== null) return kept;
  throw new Stop(
    EXIT.failed,
    `The manifest of ${past.rev.slice(0, 12)} is kept neither on ${stack.settings.host.name} nor where it was built. Nothing was changed. ` +
      (past.valid === true
        ? `Its system is still there: promote rollback --stack ${stack.name} --to ${past.rev.slice(0, 12)} --emergency`
        : `Build it again: promote rollback --stack ${source?.name ?? "STACK-THAT-BUILDS"} --to ${past.rev.slice(0, 12)}, then promote --stack ${stack.name}`),
  );
}
