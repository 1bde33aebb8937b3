import { z } from "zod";
import { connectionKey } from "../../contract/connection.ts";
import type { ClosureInputs } from "../../contract/resources.ts";
import { shortPath, storeHash } from "../../contract/store-path.ts";
import { Failure, namingSetting } from "../errors.ts";
import { type CacheCheck, checkCaches, type OverCaches } from "./cache-check.ts";
import type { Missing } from "./copy.ts";
import type { Reporter } from "./engine.ts";
import { contractOf, type JobStatus, runJob } from "./job.ts";
import { reach } from "./route.ts";
import { isFilled, offers, type SeenCache } from "./sources.ts";

/** The builder pushes to binary caches, the host pulls from them: neither needs to reach the other. */
export async function overCaches(
  transport: OverCaches,
  wanted: ClosureInputs,
  missing: Missing,
  report: Reporter,
): Promise<void> {
  const check = await checkCaches(
    transport,
    wanted.connection,
    missing.paths.map((path) => [path, 0]),
  );
  requireWay(check, transport, wanted, missing);
  for (const problem of check.problems) report.warn(problem);
  const story = { transport, wanted, missing, report };
  await fill(lacking(check.caches, missing), story);
  await fetch(check.caches, story);
}

interface Story {
  readonly transport: OverCaches;
  readonly wanted: ClosureInputs;
  readonly missing: Missing;
  readonly report: Reporter;
}

/** Before anything is pushed: will all of it be somewhere that the host can open? */
function requireWay(
  { caches, problems }: CacheCheck,
  { check }: OverCaches,
  { path }: ClosureInputs,
  { paths }: Missing,
): void {
  const isLost = (path: string) => !caches.some((cache) => isFilled(cache) || offers(cache, path));
  const unsupported = caches.some(({ state }) => state === "unsupported");
  const isUnknown = caches.some(({ state }) => state === "unanswered");
  const hopeless = unsupported || (!isUnknown && paths.some(isLost));
  if (!hopeless && (check !== "fail" || problems.length === 0)) return;
  throw new Failure(
    "refused",
    `${problems.join(" ")} Nothing was changed. ` +
      `${hopeless ? `Push it to one of them (\`nix copy --to CACHE ${path}\` on the builder), give it a push, or mend the way to it.` : "[copy.check] is fail."}`,
    { code: "not-cached" },
  );
}

/** A cache that the builder pushes to, and what it does there beside pushing what is not there. */
interface Filling {
  readonly to: string;
  readonly tokenFile?: string | undefined;
  /** Adds the signatures that have come since. */
  readonly signatures?: boolean;
  /** Looks for what is damaged, in a directory, and pushes it again. */
  readonly repair?: boolean;
}

function lacking(caches: readonly SeenCache[], { paths }: Missing): Filling[] {
  return filledOf(caches)
    .filter(({ cache }) => paths.some((path) => !offers(cache, path)))
    .map(({ cache, ...to }) => ({
      ...to,
      signatures: cache.untrusted.size > 0,
      repair: cache.state === "damaged",
    }));
}

function filledOf(caches: readonly SeenCache[]): (Filling & { cache: SeenCache })[] {
  return caches.flatMap((cache) =>
    isFilled(cache) && cache.push !== undefined
      ? [{ to: cache.push, tokenFile: cache.tokenFile, cache }]
      : [],
  );
}

/** The host may be told of paths that a cache does not have as it says, or have to build what it does not trust. */
async function fetch(caches: readonly SeenCache[], story: Story): Promise<void> {
  const { transport } = story;
  const open = caches.filter(({ state }) => state !== "unreachable");
  const all = filledOf(open).map(({ cache: _cache, ...to }) => to);
  try {
    return await pull(open, story);
  } catch (error) {
    const code = error instanceof Failure ? error.code : undefined;
    const directories = all.filter(({ to }) => to.startsWith("file:"));
    if (code === "damaged-cache" && directories.length > 0) {
      const repaired = directories.map((to) => ({ ...to, repair: true }));
      if ((await fill(repaired, story)).dropped === 0) throw error;
      return pull(open, story);
    }
    const isRefused = code === "untrusted-signature" || code === "not-cached";
    if (!isRefused || transport.hostBuildFallback !== true || all.length === 0) throw error;
    const { derivation } = await fill(all, story, { derivation: true });
    story.report.warn(
      "[copy.hostBuildFallback] The host builds what it cannot take from the caches.",
    );
    return pull(open, story, derivation ?? undefined);
  }
}

const PUSH_SETTINGS = {
  unreachable: "copy.caches.push",
  auth: "copy.caches.push",
  unsupported: "copy.caches.push",
  "push-failed": "copy.caches.push",
  "no-space": "copy.caches.push",
  "no-cachix": "copy.caches.push",
  "no-token": "copy.caches.tokenFile",
  "no-derivation": "copy.hostBuildFallback",
};

const filled = z.object({
  copied: z.number(),
  dropped: z.number().describe("Damaged paths that were taken away and pushed again"),
  derivation: z.string().nullable(),
});

type Filled = z.infer<typeof filled>;
const underWay = new Map<string, Promise<Filled>>();

async function fill(
  fillings: readonly Filling[],
  { transport, wanted, missing, report }: Story,
  { derivation = false } = {},
): Promise<Filled> {
  if (fillings.length === 0) return { copied: 0, dropped: 0, derivation: null };
  const { path, timeoutSeconds } = wanted;
  const caches = fillings.map((filling) => ({ ...filling }));
  const repair = fillings.some((filling) => filling.repair === true);
  const job = {
    command: "fill",
    unit: `nixos-promote-push-${storeHash(path)}`,
    what: `push of ${shortPath(path)} to ${fillings.map(({ to }) => to).join(", ")}`,
    path,
    contract: contractOf({ path, caches, derivation }),
    whenStopped: "what was pushed stays there",
    whenAlone: "it pushes to its end, and the next `pulumi up` finds it there",
    argument: { path, caches, derivation, suspects: repair ? missing.paths : [] },
    timeoutSeconds,
    result: filled,
    onStatus: (status: JobStatus) => report.progress(status.message ?? ""),
    say: (sentence: string) => report.info(sentence),
  } as const;
  // The hosts of a fleet may want the same path: it is pushed once.
  const key = `${connectionKey(transport.builder)} ${job.contract}`;
  const pushing =
    underWay.get(key) ??
    runJob(reach(transport.builder, "release.builder"), job).finally(() => underWay.delete(key));
  underWay.set(key, pushing);
  const said = await pushing.catch((error) => {
    throw namingSetting(PUSH_SETTINGS, error);
  });
  if (said.dropped > 0)
    report.warn(`[copy.caches] ${said.dropped} damaged paths were pushed again.`);
  return said;
}

const PULL_SETTINGS = {
  "untrusted-signature": "release.signingKeyFile",
  "damaged-cache": "copy.caches",
  "cache-unreachable": "copy.caches",
  "not-cached": "copy.caches",
  "pull-failed": "copy.caches",
  "not-the-same": "copy.hostBuildFallback",
  "build-failed": "copy.hostBuildFallback",
  "no-space": "host.connection",
};

const pulled = z.object({
  copied: z.number(),
  built: z.number(),
  from: z.record(z.string(), z.number()),
});

async function pull(
  from: readonly SeenCache[],
  { transport, wanted, report }: Story,
  derivation?: string,
): Promise<void> {
  const { trustedKeys = [] } = transport;
  const { connection, path, timeoutSeconds } = wanted;
  const said = await runJob(reach(connection, "host.connection"), {
    command: "pull",
    unit: `nixos-promote-pull-${storeHash(path)}`,
    what: `fetch of ${shortPath(path)}`,
    path,
    whenStopped: "what was fetched stays valid",
    whenAlone: "it fetches to its end, and the next `pulumi up` finds what has arrived",
    argument: { path, caches: from.map(({ pull }) => pull), trustedKeys, derivation },
    timeoutSeconds,
    result: pulled,
    onStatus: (status) => report.progress(status.message ?? ""),
    say: (sentence) => report.info(sentence),
  }).catch((error) => {
    throw namingSetting(PULL_SETTINGS, error);
  });
  const sources = Object.entries(said.from).map(([url, count]) => `${count} from ${url}`);
  if (sources.length > 0) report.info(`fetched ${said.copied} paths: ${sources.join(", ")}`);
  if (said.built > 0) report.info(`the host built ${said.built} derivations itself`);
}
