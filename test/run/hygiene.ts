import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Source } from "./static-checks.ts";

const MEGABYTE = 1_000_000;
const LONGEST_FILE = 400;

export function longFiles({ files, read }: Source): string[] {
  return files
    .filter((file) => /\.(ts|sh|py|nix|go)$/.test(file))
    .map((file) => ({ file, lines: read(file).split("\n").length - 1 }))
    .filter(({ lines }) => lines > LONGEST_FILE)
    .map(({ file, lines }) => `${file} has ${lines} lines`);
}

export function bigFiles({ root, files }: Source): string[] {
  return files.filter((file) => statSync(join(root, file)).size > MEGABYTE);
}

export function privateKeys({ files, read }: Source): string[] {
  // The blank in the pattern is in brackets so that this file does not match itself.
  return files.filter((file) =>
    /-----BEGIN [A-Z ]*PRIVATE[ ]KEY-----\s*[A-Za-z0-9+/]{20}/.test(read(file)),
  );
}

/** A lock with addresses in it installs from one registry only, whatever the machine is set to. */
export function pinnedRegistry({ files, read }: Source): string[] {
  return files
    .filter((file) => file.endsWith("package-lock.json"))
    .filter((file) => /"resolved": "https?:/.test(read(file)))
    .map((file) => `${file}: npm install --package-lock-only --omit-lockfile-registry-resolved`);
}

export function unknownScripts(source: Source): string[] {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(source.read("package.json"));
  return documents(source).flatMap((file) =>
    [...source.read(file).matchAll(/\bnpm (?:run )(?:-s |--silent )?([a-z][\w:-]*)/g)]
      .map((match) => match[1] ?? "")
      .filter((script) => !Object.hasOwn(scripts, script))
      .map((script) => `${file} says npm run ${script}`),
  );
}

export function brokenLinks(source: Source): string[] {
  return documents(source).flatMap((file) =>
    [...source.read(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] ?? "")
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(source.root, dirname(file), target)))
      .map((target) => `${file} links to ${target}`),
  );
}

function documents({ files }: Source): string[] {
  return files.filter((file) => file.endsWith(".md"));
}
