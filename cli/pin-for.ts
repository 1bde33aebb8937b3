import { EXIT, Stop } from "./exit-code.ts";
import { Facts } from "./facts.ts";
import { keptManifest } from "./kept-manifest.ts";
import type { Older, Past } from "./ledger.ts";
import { keepManifest, type Pin } from "./pin.ts";
import type { Project, SettledStack } from "./project.ts";

/** A stack that builds is pinned to the revision; one that takes, to the manifest of what it took. */
export async function pinFor(
  project: Project,
  stack: SettledStack,
  past: Past,
  older?: Older,
): Promise<Pin> {
  const { release, activation } = stack.settings;
  if (release.from === "build") return { rev: past.rev };
  const source = new Facts(project).buildingStack(stack);
  const text = await keptManifest(project, stack, past, older);
  if (text === undefined) throw lost(stack, past, source);
  const manifest = keepManifest(project, stack.name, past.rev, text);
  const builder = source?.settings.release;
  // Where all is on the host already, the way back needs no other machine.
  const alone = past.valid === true && activation.links === undefined;
  if (alone || builder?.from !== "build") return { manifest };
  return { manifest, builder: builder.builder };
}

function lost(stack: SettledStack, past: Past, source: SettledStack | undefined): Stop {
  const rev = past.rev.slice(0, 12);
  return new Stop(
    EXIT.failed,
    `The manifest of ${rev} is kept neither on ${stack.settings.host.name}, nor where it was built, nor in Pulumi's history. Nothing was changed. ` +
      (past.valid === true
        ? `Its system is still there: promote rollback --stack ${stack.name} --to ${rev} --emergency`
        : `Build it again: promote rollback --stack ${source?.name ?? "STACK-THAT-BUILDS"} --to ${rev}, then promote --stack ${stack.name}`),
  );
}
