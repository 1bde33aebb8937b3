import { z } from "zod";
import type { Cache } from "../../contract/cache.ts";
import { describeConnection } from "../../contract/connection.ts";
import type { ClosureInputs, Transport } from "../../contract/resources.ts";
import { shortPath, storeHash } from "../../contract/store-path.ts";
import { Failure, namingSetting } from "../errors.ts";
import { call } from "../executors/executor.ts";
import type { Missing } from "./copy.ts";
import type { Reporter } from "./engine.ts";
import { contractOf, type JobStatus, runJob } from "./job.ts";
import { reach } from "./route.ts";

type OverCaches = Extract<Transport, { via: "cache" }>;

const cached = z.object({
  caches: z.array(
    z.object({
      state: z.enum(["has", "lacks", "unreachable", "unsupported"]),
      said: z.string(),
    }),
  ),
});
type Seen = Cache & z.infer<typeof cached>["caches"][number];

/** The builder pushes to binary caches, the host pulls from them: neither needs to reach the other. */
export async function overCaches(
  transport: OverCaches,
  wanted: ClosureInputs,
  missing: Missing,
  report: Reporter,
): Promise<void> {
  const seen = await look(transport, wanted);
  requireWay(seen, wanted);
  for (const { pull, state, said } of seen)
    if (state === "unreachable")
      report.warn(`[copy.caches] ${pull} cannot be reached from the host: ${said}`);
  const fill = async (state: Seen["state"], signatures: boolean) => {
    const to = seen.flatMap((one) =>
      one.state === state && one.push !== undefined ? [one.push] : [],
    );
    for (const cache of to) await push(cache, transport, wanted, { missing, signatures }, report);
    return to.length > 0;
  };
  const fetch = () =>
    pull(
      seen.filter(({ state }) => state !== "unreachable"),
      transport,
      wanted,
      report,
    );
  await fill("lacks", false);
  try {
    await fetch();
  } catch (error) {
    // Signed since it was pushed: the signatures are on the builder, and not in the cache.
    if (!isUntrusted(error) || !(await fill("has", true))) throw error;
    await fetch();
  }
}

function isUntrusted(error: unknown): boolean {
  return error instanceof Failure && error.code === "untrusted-signature";
}

/** Which of them has the closure, in words, for a plan. */
export async function describeCaches(transport: OverCaches, wanted: Wanted): Promise<string> {
  const seen = await look(transport, wanted);
  const words = {
    has: "which has it",
    unreachable: "which cannot be reached",
    unsupported: "which the host's Nix cannot open",
  };
  const told = seen.map(({ pull, push, state }) => {
    const lacks = push === undefined ? "which does not have it" : "which the builder fills first";
    return `${pull}, ${state === "lacks" ? lacks : words[state]}`;
  });
  return `from ${told.join("; then from ")}`;
}

type Wanted = Pick<ClosureInputs, "connection" | "path">;

/** What the host itself can see of each cache. */
async function look({ caches }: OverCaches, { connection, path }: Wanted): Promise<Seen[]> {
  const question = { path, caches: caches.map(({ pull }) => pull) };
  const options = { timeoutSeconds: 40 };
  const executor = reach(connection, "host.connection");
  const answer = await call(executor, "cached", question, cached, options);
  return caches.map((one, index) => {
    const found = answer.caches[index];
    if (found === undefined) throw new Error(`the host said nothing of ${one.pull}`);
    return { ...one, ...found };
  });
}

/** Before anything is pushed: is there a cache that the host can open, and that has the closure or gets it? */
function requireWay(seen: readonly Seen[], { connection, path }: ClosureInputs): void {
  const host = describeConnection(connection);
  for (const { pull, state, said } of seen)
    if (state === "unsupported")
      throw new Failure(
        "refused",
        `[copy.caches] The Nix of ${host} cannot open ${pull}: it is built without that kind of store (${said}). ` +
          "Nothing was changed. Install a Nix that has it there, or use another cache.",
      );
  const open = seen.filter(({ state }) => state !== "unreachable");
  if (open.some(({ state, push }) => state === "has" || push !== undefined)) return;
  const why = seen.map(({ pull, state, said }) =>
    state === "lacks"
      ? `${pull} does not have ${shortPath(path)}, and has no push`
      : `${pull} cannot be reached from ${host} (${said})`,
  );
  throw new Failure(
    "refused",
    `[copy.caches] ${why.join("; ")}. Nothing was changed. ` +
      `Push it there (\`nix copy --to CACHE ${path}\` on the builder), give the cache a push, or mend the way to it.`,
    { code: "not-cached" },
  );
}

const PUSH_SETTINGS = {
  unreachable: "copy.caches.push",
  auth: "copy.caches.push",
  unsupported: "copy.caches.push",
  "copy-failed": "copy.caches.push",
  "no-space": "copy.caches.push",
  "untrusted-signature": "release.signingKeyFile",
};

async function push(
  to: string,
  { builder }: OverCaches,
  { path, timeoutSeconds }: ClosureInputs,
  { missing, signatures }: { readonly missing: Missing; readonly signatures: boolean },
  report: Reporter,
): Promise<void> {
  const job = {
    command: "push",
    unit: `nixos-promote-push-${storeHash(path)}`,
    what: `copy of ${shortPath(path)} to ${to}`,
    path,
    contract: contractOf({ to, path, signatures }),
    whenStopped: "what was pushed stays there",
    whenAlone: "it pushes to its end, and the next `pulumi up` finds it there",
    argument: {
      ...{ to, paths: [path], missing: missing.paths.length, bytes: 0, sshOptions: [] },
      signatures,
    },
    timeoutSeconds,
    result: z.object({ copied: z.number() }),
    onStatus: (status: JobStatus) => report.progress(status.message ?? ""),
    say: (sentence: string) => report.info(sentence),
  } as const;
  await runJob(reach(builder, "release.builder"), job).catch((error) => {
    throw namingSetting(PUSH_SETTINGS, error);
  });
}

const PULL_SETTINGS = {
  "untrusted-signature": "release.signingKeyFile",
  "damaged-cache": "copy.caches",
  "cache-unreachable": "copy.caches",
  "not-cached": "copy.caches",
  "pull-failed": "copy.caches",
  "no-space": "host.connection",
};

async function pull(
  from: readonly Seen[],
  { trustedKeys = [] }: OverCaches,
  { connection, path, timeoutSeconds }: ClosureInputs,
  report: Reporter,
): Promise<void> {
  const said = await runJob(reach(connection, "host.connection"), {
    command: "pull",
    unit: `nixos-promote-pull-${storeHash(path)}`,
    what: `fetch of ${shortPath(path)}`,
    path,
    whenStopped: "what was fetched stays valid",
    whenAlone: "it fetches to its end, and the next `pulumi up` finds what has arrived",
    argument: { path, caches: from.map(({ pull }) => pull), trustedKeys },
    timeoutSeconds,
    result: z.object({ copied: z.number(), from: z.record(z.string(), z.number()) }),
    onStatus: (status) => report.progress(status.message ?? ""),
    say: (sentence) => report.info(sentence),
  }).catch((error) => {
    throw namingSetting(PULL_SETTINGS, error);
  });
  const sources = Object.entries(said.from).map(([url, count]) => `${count} from ${url}`);
  if (sources.length > 0) report.info(`fetched ${said.copied} paths: ${sources.join(", ")}`);
}
