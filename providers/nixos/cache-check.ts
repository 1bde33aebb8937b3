import { z } from "zod";
import { isCachix } from "../../contract/cache.ts";
import { type Connection, describeConnection } from "../../contract/connection.ts";
import type { Transport } from "../../contract/resources.ts";
import { call } from "../executors/executor.ts";
import { closureOf } from "./closure-of.ts";
import { reach } from "./route.ts";
import {
  isFilled,
  offers,
  problemsOf,
  type SeenCache,
  type SizedPath,
  type Source,
  sourcesOf,
} from "./sources.ts";

export type OverCaches = Extract<Transport, { via: "cache" }>;

/** What a host finds in its binary caches, before anything is pushed or fetched. */
export interface CacheCheck {
  readonly caches: SeenCache[];
  /** What comes from where. */
  readonly sources: Source[];
  /** Sentences; empty: all of it will arrive. A description without its contents is seen only by the fetch. */
  readonly problems: string[];
}

/** One question to the host, however many paths there are, and one to the builder if it has to push. At most 20 seconds for each cache, side by side. */
export async function checkCaches(
  transport: OverCaches,
  connection: Connection,
  wanted: readonly SizedPath[],
): Promise<CacheCheck> {
  const paths = wanted.map(([path]) => path);
  const { caches, keys } = await ask(transport, connection, paths);
  const lost = paths.filter((path) => !caches.some((cache) => offers(cache, path)));
  const unsigned = await unsignedOn(transport, caches, lost, keys);
  const host = describeConnection(connection);
  return {
    caches,
    sources: sourcesOf(caches, wanted),
    problems: problemsOf(caches, wanted, { host, unsigned }),
  };
}

/** The same for all of a system, whatever of it the host has already: what `promote cache-check` tells. */
export async function checkSystem(
  transport: OverCaches,
  connection: Connection,
  toplevel: string,
): Promise<CacheCheck> {
  return checkCaches(transport, connection, await closureOf(toplevel, transport.builder));
}

const indices = z.array(z.number().int().min(0));
const cached = z.object({
  keys: z.array(z.string()).describe("All that the host trusts"),
  caches: z.array(
    z.object({
      state: z.enum(["open", "unreachable", "unsupported", "damaged", "unanswered"]),
      said: z.string(),
      missing: indices,
      untrusted: indices,
      signers: z.array(z.string()),
    }),
  ),
});

async function ask(
  { caches, trustedKeys = [] }: OverCaches,
  connection: Connection,
  paths: string[],
): Promise<{ caches: SeenCache[]; keys: string[] }> {
  const question = { paths, caches: caches.map(({ pull }) => pull), trustedKeys };
  const executor = reach(connection, "host.connection");
  const answer = await call(executor, "cached", question, cached, { timeoutSeconds: 45 });
  const named = (list: readonly number[]) => new Set(list.flatMap((index) => paths[index] ?? []));
  const seen = caches.map((cache, index) => {
    const found = answer.caches[index];
    if (found === undefined) throw new Error(`the host said nothing of ${cache.pull}`);
    const { missing, untrusted } = found;
    return { ...cache, ...found, missing: named(missing), untrusted: named(untrusted) };
  });
  return { caches: seen, keys: answer.keys };
}

/** Of what the builder would push, that which the host would not take. Cachix signs what it is given. */
async function unsignedOn(
  { builder }: OverCaches,
  caches: readonly SeenCache[],
  paths: string[],
  keys: string[],
): Promise<string[]> {
  const filled = caches.filter(isFilled);
  if (paths.length === 0 || filled.length === 0 || filled.some(({ push }) => isCachix(push)))
    return [];
  const answer = z.object({ unsigned: z.array(z.string()) });
  const executor = reach(builder, "release.builder");
  return (await call(executor, "signed", { paths, keys }, answer)).unsigned;
}
