import { setTimeout as sleep } from "node:timers/promises";
import type { Run } from "./contenders.ts";
import { type Release, versionOf, type World } from "./world.ts";

/** What people saw of a release that is bad on the first host. */
export interface AfterBad {
  /** Until the command ended. */
  readonly seconds: number;
  /** Whether the command said that something was wrong. */
  readonly said: boolean;
  /** For how long the first host did not answer; null: it still did not when we gave up. */
  readonly outageSeconds: number | null;
  /** Hosts at the end that answer with the version before, with the new one, and not at all. */
  readonly before: number;
  readonly bad: number;
  readonly ill: number;
}

const EVERY_MILLISECONDS = 25;
/** After the command has ended. */
const PATIENCE_SECONDS = 10;

export async function badRelease(
  world: World,
  { before, bad }: { before: Release; bad: Release },
  run: () => Promise<Run>,
): Promise<AfterBad> {
  const [first] = world.hosts;
  if (first === undefined) throw new Error("The world has no hosts.");
  let ended: Run | undefined;
  const running = run().then((result) => {
    ended = result;
    return result;
  });
  let [illSince, wellSince]: (number | undefined)[] = [];
  let giveUp = Number.POSITIVE_INFINITY;
  while (performance.now() < giveUp) {
    const isWell = (await versionOf(first)) !== undefined;
    const now = performance.now();
    if (!isWell) {
      illSince ??= now;
      wellSince = undefined;
    } else if (illSince !== undefined) wellSince ??= now;
    if (ended !== undefined) {
      if (isWell) break;
      giveUp = Math.min(giveUp, now + PATIENCE_SECONDS * 1000);
    }
    await sleep(EVERY_MILLISECONDS);
  }
  const { seconds, code } = await running;
  const versions = await world.versions();
  const count = (version: string | undefined) =>
    versions.filter((found) => found === version).length;
  const outage = illSince === undefined ? 0 : wellSince === undefined ? null : wellSince - illSince;
  return {
    seconds,
    said: code !== 0,
    outageSeconds: outage === null ? null : Number((outage / 1000).toFixed(2)),
    ...{ before: count(before.version), bad: count(bad.version), ill: count(undefined) },
  };
}
