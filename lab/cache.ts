// Directories that are costly to make, kept in the user's cache under a hash of what makes them.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { withLock } from "./lock.ts";
import { must } from "./process.ts";

/** How many of a kind stay: enough to go back and forth between a few branches. */
const KEPT = 4;

export function cacheRoot(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "nixos-promote");
}

/**
 * The directory `KIND-KEY`, made by `build` if it is not there yet. Built beside it and renamed, so that
 * a half-made one is never used; one builder at a time.
 */
export async function cached(
  kind: string,
  key: string,
  build: (directory: string) => Promise<void>,
  log: (line: string) => void,
): Promise<string> {
  const directory = join(cacheRoot(), `${kind}-${key}`);
  if (existsSync(directory)) return directory;
  mkdirSync(cacheRoot(), { recursive: true });
  const lock = join(cacheRoot(), `${kind}.lock`);
  const waiting = () => log(`waiting for another process that makes ${kind} ...`);
  await withLock(
    lock,
    async () => {
      if (existsSync(directory)) return;
      await removeUnfinished(kind);
      const unfinished = `${directory}.unfinished`;
      await build(unfinished);
      renameSync(unfinished, directory);
      await removeOld(kind);
    },
    waiting,
  );
  return directory;
}

/** Only the newest few are ever asked for again, and those that a running lab stands on. */
async function removeOld(kind: string): Promise<void> {
  const found = readdirSync(cacheRoot()).filter((name) => name.startsWith(`${kind}-`));
  const paths = found.map((name) => join(cacheRoot(), name));
  const newestFirst = paths.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const path of newestFirst.slice(KEPT)) {
    if (!inUse(path)) await must(["rm", "-rf", "--one-file-system", path]);
  }
}

/** A layer of a mounted overlay. */
function inUse(path: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8").includes(path);
}

/** A short hash over the names, modes and contents of files and directories, and over plain words. */
export function hashOf(paths: readonly string[], ...words: readonly string[]): string {
  const hash = createHash("sha256");
  for (const word of words) hash.update(`word ${word.length} ${word}`);
  for (const path of paths) hashPath(hash, path, "");
  return hash.digest("hex").slice(0, 12);
}

function hashPath(hash: ReturnType<typeof createHash>, path: string, name: string): void {
  const stat = statSync(path);
  if (stat.isDirectory()) {
    const entries = readdirSync(path).filter((entry) => entry !== "__pycache__");
    for (const entry of entries.sort()) hashPath(hash, join(path, entry), `${name}/${entry}`);
    return;
  }
  const bytes = readFileSync(path);
  hash.update(`file ${name} ${stat.mode & 0o111} ${bytes.length} `).update(bytes);
}

async function removeUnfinished(kind: string): Promise<void> {
  const left = readdirSync(cacheRoot()).filter(
    (name) => name.startsWith(`${kind}-`) && name.endsWith(".unfinished"),
  );
  // --one-file-system: a builder that was killed may have left a /proc mounted in there.
  for (const name of left) await must(["rm", "-rf", "--one-file-system", join(cacheRoot(), name)]);
}
