import type { Cache } from "../../contract/cache.ts";

/** A store path and its size in bytes. */
export type SizedPath = readonly [path: string, bytes: number];

/** What one host could see of a cache. */
export interface SeenCache extends Cache {
  readonly state: "open" | "unreachable" | "unsupported" | "damaged" | "unanswered";
  /** Why it is not open, as Nix says it. */
  readonly said: string;
  /** Paths that are not there. */
  readonly missing: ReadonlySet<string>;
  /** Paths that are there, without a signature that the host trusts. */
  readonly untrusted: ReadonlySet<string>;
  /** The names of the keys that have signed the first of those. */
  readonly signers: readonly string[];
}

/** Paths that come from one cache. */
export interface Source {
  /** Null: from none that we know of. */
  readonly from: string | null;
  readonly paths: number;
  readonly bytes: number;
  /** The builder has to push them there first, or their signatures. */
  readonly filled: boolean;
}

/** Can the host fetch the path from there, as it is now? */
export function offers(cache: SeenCache, path: string): boolean {
  return cache.state === "open" && !cache.missing.has(path) && !cache.untrusted.has(path);
}

/** Does the builder push there, so that the host finds it? What is damaged is pushed again. */
export function isFilled({ state, push }: SeenCache): boolean {
  return push !== undefined && state !== "unreachable" && state !== "unsupported";
}

/** The first cache that has a path gives it, as Nix on the host does it; what none has comes from the first that is filled. */
export function sourcesOf(caches: readonly SeenCache[], wanted: readonly SizedPath[]): Source[] {
  const filled = caches.find(isFilled);
  const found = new Map<string, Source>();
  for (const [path, bytes] of wanted) {
    const having = caches.find((cache) => offers(cache, path));
    const from = (having ?? filled)?.pull ?? null;
    const source = { from, filled: having === undefined && filled !== undefined };
    const key = JSON.stringify(source);
    const before = found.get(key) ?? { paths: 0, bytes: 0 };
    found.set(key, { ...source, paths: before.paths + 1, bytes: before.bytes + bytes });
  }
  return [...found.values()];
}

/** What is wrong with them, in sentences. `unsigned`: what the builder itself has without a signature that the host trusts. */
export function problemsOf(
  caches: readonly SeenCache[],
  wanted: readonly SizedPath[],
  { host, unsigned }: { readonly host: string; readonly unsigned: readonly string[] },
): string[] {
  const lost = wanted
    .map(([path]) => path)
    .filter((path) => !caches.some((one) => offers(one, path)));
  const problems = caches.flatMap((cache) => illness(cache, host) ?? []);
  if (lost.length === 0) return problems;
  const isUnsigned = new Set(unsigned);
  const filled = caches.some(isFilled);
  const distrusted = lost.filter((path) =>
    filled ? isUnsigned.has(path) : caches.some(({ untrusted }) => untrusted.has(path)),
  );
  const absent = filled ? 0 : lost.length - distrusted.length;
  if (distrusted.length > 0) {
    const signers = [...new Set(caches.flatMap((one) => one.signers))];
    const by = signers.length === 0 ? "" : ` Signed there by ${signers.join(", ")}.`;
    problems.push(
      `[release.signingKeyFile] ${host} trusts no signature on ${distrusted.length} of ${wanted.length} paths.${by} ` +
        "Sign the release on the builder, and add the public key to the host's trusted-public-keys or to [copy.trustedKeys].",
    );
  }
  if (absent > 0)
    problems.push(
      `[copy.caches] ${absent} of ${wanted.length} paths are in no cache that ${host} can fetch them from, and none of those has a push.`,
    );
  return problems;
}

function illness({ pull, state, said }: SeenCache, host: string): string | undefined {
  switch (state) {
    case "open":
      return undefined;
    case "unreachable":
      return `[copy.caches] ${pull} cannot be reached from ${host}: ${said}`;
    case "unsupported":
      return `[copy.caches] The Nix of ${host} cannot open ${pull}: it is built without that kind of store (${said}). Install a Nix that has it there, or use another cache.`;
    case "damaged":
      return `[copy.caches] ${pull} is damaged: ${said}. Where the builder pushes to its directory, it is mended; elsewhere delete that file.`;
    case "unanswered":
      return `[copy.caches] What ${pull} has is not known: ${said}.`;
  }
}
