import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  bigFiles,
  brokenLinks,
  longFiles,
  pinnedRegistry,
  privateKeys,
  unknownScripts,
} from "./hygiene.ts";
import { strayTestFiles } from "./rooms.ts";

/** A check that reads the source. `run` gives the complaints; none means that it passed. */
export interface StaticCheck {
  readonly title: string;
  /** Complaints of an advisory check are shown and fail nothing. */
  readonly advisory?: boolean;
  run(source: Source): readonly string[];
}

/** The files that are, or would be, committed. */
export interface Source {
  readonly root: string;
  readonly files: readonly string[];
  read(file: string): string;
}

export const STATIC_CHECKS: readonly StaticCheck[] = [
  {
    title: "the types fit (tsc)",
    run: ({ root }) => command(root, "node_modules/.bin/tsc", ["--noEmit", "--pretty", "false"]),
  },
  {
    title: "format and lint are clean (biome; `npm run format` repairs most)",
    run: ({ root }) =>
      command(root, "node_modules/.bin/biome", [
        "ci",
        "--colors=off",
        "--error-on-warnings",
        "--diagnostic-level=warn",
        ".",
      ]),
  },
  {
    title: "bash scripts are clean (shellcheck)",
    run: (source) => command(source.root, "shellcheck", ["--", ...bashScripts(source)]),
  },
  {
    title: "workflows are clean (actionlint)",
    run: ({ root, files }) =>
      command(root, "actionlint", ["-no-color", "-pyflakes=", "--", ...files.filter(isWorkflow)]),
  },
  { title: "every test file is in a room that runs", run: ({ root }) => strayTestFiles(root) },
  { title: "no private key is in the source", run: privateKeys },
  { title: "no file is larger than 1 MB", run: bigFiles },
  { title: "package-lock.json is bound to no registry", run: pinnedRegistry },
  { title: "every `npm run` that a document names exists", run: unknownScripts },
  { title: "every link between documents leads somewhere", run: brokenLinks },
  { title: "files are short (at most 400 lines)", advisory: true, run: longFiles },
];

export function sourceOf(root: string): Source {
  const read = (file: string) => readFileSync(join(root, file), "utf8");
  const listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
  const git = spawnSync("git", ["-c", "safe.directory=*", ...listing], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (git.status !== 0) {
    throw new Error(`The static checks need a git checkout; git says: ${git.stderr}`);
  }
  // A file that is deleted but not yet committed so is still listed.
  const files = git.stdout.split("\0").filter((file) => file !== "" && isFile(root, file));
  return { root, files, read };
}

function bashScripts(source: Source): string[] {
  return source.files.filter(
    (file) => /\.(sh|bash)$/.test(file) || /^#!.*\b(ba)?sh\b/.test(firstLine(source, file)),
  );
}

function isWorkflow(file: string): boolean {
  return /^\.github\/workflows\/[^/]+\.ya?ml$/.test(file);
}

function firstLine(source: Source, file: string): string {
  if (/\.\w+$/.test(file.replace(/^.*\//, ""))) return "";
  return source.read(file).split("\n", 1)[0] ?? "";
}

function command(root: string, name: string, args: readonly string[]): string[] {
  const { status, stdout, stderr, error } = spawnSync(name, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) return [`${name} did not start: ${error.message}`];
  return status === 0 ? [] : [`${stdout}${stderr}`.trim() || `${name} gave exit code ${status}`];
}

function isFile(root: string, file: string): boolean {
  return statSync(join(root, file), { throwIfNoEntry: false })?.isFile() ?? false;
}
