import { createHash } from "node:crypto";
import { z } from "zod";
import { type Connection, describeConnection } from "../../contract/connection.ts";
import type { ClosureInputs, Transport } from "../../contract/resources.ts";
import { shortPath, storeHash } from "../../contract/store-path.ts";
import { Failure, namingSetting } from "../errors.ts";
import type { Argument } from "../executors/argument.ts";
import { call } from "../executors/executor.ts";
import { checkCaches } from "./cache-check.ts";
import { overCaches } from "./caches.ts";
import { closureOf } from "./closure-of.ts";
import type { Reporter } from "./engine.ts";
import { contractOf, runJob } from "./job.ts";
import { LITTLE, type Part, partsOf, streamsFor } from "./parts.ts";
import { relay } from "./relay.ts";
import { requireRoom, roomKept } from "./room.ts";
import { reach } from "./route.ts";
import type { SizedPath, Source } from "./sources.ts";

const missingPaths = z.object({
  missing: z.array(z.string()),
  free: z.number().describe("Bytes that the host's store may still grow by"),
});

/** What is not on the host yet, and how much that is. */
export interface Missing {
  readonly paths: string[];
  readonly bytes: number;
  /** Bytes that are free there. */
  readonly free: number;
}

async function missingOf(
  target: Connection,
  closure: readonly (readonly [string, number])[],
): Promise<Missing> {
  const { missing, free } = await notOn(
    target,
    closure.map(([path]) => path),
  );
  const sizes = new Map(closure);
  const bytes = missing.reduce((sum, path) => sum + (sizes.get(path) ?? 0), 0);
  return { paths: missing, bytes, free };
}

/** Those of the paths that are not valid on the host. A valid path has a valid closure. */
function notOn(host: Connection, paths: string[]): Promise<z.infer<typeof missingPaths>> {
  return call(reach(host, "host.connection"), "missing", { paths: paths.join("\n") }, missingPaths);
}

/** Brings a closure to its host, if it is not there. */
export async function copyClosure(wanted: ClosureInputs, report: Reporter): Promise<void> {
  const { missing, free } = await notOn(wanted.connection, [wanted.path]);
  if (missing.length > 0) await copyMissing(wanted, report, { target: { free, has: [] } });
}

/** What is known of a host before anything is copied to it. */
export interface Target {
  /** Bytes that its store may still grow by. */
  readonly free: number;
  /** Some of what is valid there. */
  readonly has: string[];
}

/** What is known before a copy; the rest is asked. */
export interface Known {
  readonly target?: Target;
  /** As the builder tells it, which may have been asked already. */
  readonly whole?: Promise<SizedPath[]> | undefined;
}

/** Brings what a host lacks of a closure that is not valid there. Signatures are checked there, always. */
export async function copyMissing(
  wanted: ClosureInputs,
  report: Reporter,
  { target, whole }: Known = {},
): Promise<void> {
  const { connection, path, transport } = wanted;
  if (transport.via === "built-here") throw notBuilt(wanted);
  if (transport.via === "direct" && target !== undefined)
    if (await pushLittle(transport, wanted, target, report)) return;
  // Two questions, one to each end, however many paths there are.
  const missing = await missingOf(connection, await (whole ?? closureOf(path, transport.builder)));
  if (missing.paths.length === 0) return;
  requireRoom(connection, missing, wanted.diskMarginMiB ?? 0);
  report.progress(`copying ${missing.paths.length} paths`);
  if (transport.via === "cache") return overCaches(transport, wanted, missing, report);
  const ahead = await divide(missing, transport.builder);
  if (transport.via === "relay") return relay(transport.builder, wanted, missing, ahead, report);
  await pushMissing(transport, wanted, missing, ahead, report);
}

/** What is copied side by side, before one stream copies what is left. */
export interface Ahead {
  readonly streams: number;
  readonly parts: Part[];
}

const references = z.object({
  pieces: z.array(z.tuple([z.number(), z.array(z.number())])),
});

/** Delay bounds one stream, however fast the network is; many cost time to begin. So much is divided, and little is not. */
async function divide({ paths, bytes }: Missing, builder: Connection): Promise<Ahead> {
  const streams = streamsFor(bytes);
  if (streams === 1 || paths.length === 1) return { streams: 1, parts: [] };
  const executor = reach(builder, "release.builder");
  const { pieces } = await call(executor, "references", { paths }, references);
  const parts = partsOf(
    pieces.map(([bytes, references], index) => ({ path: paths[index] ?? "", bytes, references })),
    streams,
  );
  return { streams, parts: parts.length > 1 ? parts : [] };
}

/** Where the bytes of a closure will come from. */
export async function wayOf(
  transport: Transport | undefined,
  connection: Connection,
  missing: readonly SizedPath[],
): Promise<{ way?: string; sources?: Source[]; problems?: string[] }> {
  switch (transport?.via) {
    case "direct":
      return { way: "straight from the builder" };
    case "relay":
      return { way: "through this machine" };
    case "cache": {
      if (missing.length === 0) return {};
      const { sources, problems } = await checkCaches(transport, connection, missing);
      return { sources, problems };
    }
    default:
      return {};
  }
}

/** Those of a closure's paths, with their sizes. */
export function sized(closure: readonly SizedPath[], paths: readonly string[]): SizedPath[] {
  const wanted = new Set(paths);
  return closure.filter(([path]) => wanted.has(path));
}

/** What a refusal of the builder is about. */
const SETTINGS = {
  unreachable: "copy.to",
  auth: "copy.to",
  "host-key": "copy.to",
  "copy-failed": "copy.to",
  "untrusted-signature": "release.signingKeyFile",
  "no-space": "host.connection",
  "not-built": "release.builder",
};

type Direct = Extract<Transport, { via: "direct" }>;

const pushed = z.object({ copied: z.number(), seconds: z.number() });
/** Nothing was copied: the host may lack this many bytes. */
const declined = z.object({ exceeds: z.number() });
type Pushed = z.infer<typeof pushed> | z.infer<typeof declined>;

/**
 * Without asking what is missing. The builder knows of what is there all that the release shares with it: if the rest is
 * little and has room, that says enough. True: it is copied.
 */
async function pushLittle(
  transport: Direct,
  wanted: ClosureInputs,
  { free, has }: Target,
  report: Reporter,
): Promise<boolean> {
  const atMost = Math.min(free - roomKept(wanted.diskMarginMiB ?? 0), LITTLE);
  if (atMost <= 0) return false;
  return !("exceeds" in (await push(transport, wanted, { atMost, has }, report)));
}

async function pushMissing(
  transport: Direct,
  wanted: ClosureInputs,
  { paths, bytes }: Missing,
  ahead: Ahead,
  report: Reporter,
): Promise<void> {
  const how = { missing: paths.length, bytes, streams: ahead.streams, parts: ahead.parts };
  let said: Pushed;
  do said = await push(transport, wanted, how, report);
  while ("exceeds" in said); // of somebody's whom we have followed
}

/** The builder pushes: one hop, and the bytes never pass the operator. */
function push(
  transport: Direct,
  wanted: ClosureInputs,
  how: { [key: string]: Argument },
  report: Reporter,
): Promise<Pushed> {
  const pushing = runJob(reach(transport.builder, "release.builder"), {
    command: "push",
    // To each host its own: hosts of a fleet may want the same path.
    unit: `nixos-promote-push-${storeHash(wanted.path)}-${hashOf(transport.to)}`,
    what: `copy of ${shortPath(wanted.path)} to ${transport.to}`,
    path: wanted.path,
    // What is missing has become less since somebody else began.
    contract: contractOf({ to: transport.to, path: wanted.path }),
    whenStopped: "what was copied stays valid",
    whenAlone: "it copies to its end, and the next `pulumi up` finds what has arrived",
    argument: {
      to: `ssh-ng://${transport.to}`,
      paths: [wanted.path],
      sshOptions: PUSH_OPTIONS,
      ...how,
    },
    timeoutSeconds: wanted.timeoutSeconds,
    result: z.union([pushed, declined]),
    onStatus: (status) => report.progress(status.message ?? ""),
    say: (sentence) => report.info(sentence),
  });
  return pushing.catch((error) => {
    throw namingSetting(SETTINGS, error);
  });
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/** The builder knows the target by a name of its own, which may be another machine's. */
export function notArrived({ connection, path, transport }: ClosureInputs): Failure {
  const host = describeConnection(connection);
  if (transport.via === "built-here") return notBuilt({ connection, path });
  if (transport.via !== "direct")
    return new Failure(
      "refused",
      `${shortPath(path)} was copied to ${host} twice, and was not there afterwards. Look for a garbage collection there that takes even what has a root.`,
      { code: "not-arrived" },
    );
  return new Failure(
    "refused",
    `[copy.to] The builder copied to ${transport.to}, but nothing arrived on ${host}: they are different machines. ` +
      "Set it to the name by which the builder reaches the host of [host.connection].",
    { code: "not-arrived" },
  );
}

function notBuilt({ connection, path }: Pick<ClosureInputs, "connection" | "path">): Failure {
  return new Failure(
    "refused",
    `${shortPath(path)} is not in the store of ${describeConnection(connection)}. Build the release there first, ` +
      "or say who has it: [release.builder], or [pin.builder].",
  );
}

// The builder's own ssh configuration says who the host is and which key it must have.
const PUSH_OPTIONS = [
  ...["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"],
  ...["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"],
];
