import { z } from "zod";
import { fullRevision, type Manifest } from "./manifest.ts";
import { storePath } from "./store-path.ts";

/*
 * A release of three programs as shell variables, one `KEY=value` a line, for scripts that source
 * it. Here it is only ever read as data: a value that means anything to a shell is refused.
 */

const PROGRAMS = ["sandbox", "hypervisor", "desktop"] as const;
type Program = (typeof PROGRAMS)[number];

const plainPath = /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._+@-]+)+$/;
const program = z.strictObject({
  path: storePath,
  file: z
    .string()
    .refine((file) => plainPath.test(`/${file}`), "must be a file of the program's store path"),
});

const manifestEnv = z
  .strictObject({
    schema: z.literal("env"),
    rev: fullRevision,
    shortRev: z.string().min(4, "must be at least 4 digits"),
    builtAt: z.iso
      .datetime({ precision: 0, error: "must be a time such as 2026-02-22T18:04:11Z" })
      .describe("In UTC"),
    repo: z.string().regex(plainPath, "must be an absolute path of plain characters"),
    components: z.strictObject({ sandbox: program, hypervisor: program, desktop: program }),
  })
  .refine(({ rev, shortRev }) => rev.startsWith(shortRev), {
    path: ["shortRev"],
    message: "must be the beginning of RELEASE_SHA",
  });
export type ManifestEnv = z.infer<typeof manifestEnv>;

/** Throws an error that names the first line or key that is wrong. */
export function parseManifestEnv(text: string): ManifestEnv {
  const values = valuesOf(text);
  const take = (key: string): string => {
    const value = values.get(key);
    if (value === undefined) throw new Error(`${key} is missing`);
    values.delete(key);
    return value;
  };
  const programs = PROGRAMS.map((name): [Program, { path: string; file: string }] => {
    const path = take(pathKey(name));
    const file = take(fileKey(name));
    if (!file.startsWith(`${path}/`))
      throw new Error(`${fileKey(name)} is no file below ${pathKey(name)}`);
    return [name, { path, file: file.slice(path.length + 1) }];
  });
  const taken = manifestEnv.safeParse({
    schema: "env",
    rev: take(KEYS.rev),
    shortRev: take(KEYS.shortRev),
    builtAt: take(KEYS.builtAt),
    repo: take(KEYS.repo),
    components: Object.fromEntries(programs),
  });
  if (take("GIT_DIRTY") !== "false")
    throw new Error("GIT_DIRTY is not false: what was built is in no commit");
  const [unknown] = values.keys();
  if (unknown !== undefined) throw new Error(`${unknown} is not a known key`);
  if (taken.success) return taken.data;
  const { path, message } = taken.error.issues[0] ?? { path: [], message: "" };
  throw new Error(`${keyOf(path)} ${message}`);
}

export function formatManifestEnv(env: ManifestEnv): string {
  const { rev, shortRev, builtAt, repo, components } = manifestEnv.parse(env);
  const lines: [string, string][] = [
    [KEYS.rev, rev],
    [KEYS.shortRev, shortRev],
    [KEYS.builtAt, builtAt],
    [KEYS.repo, repo],
    ["GIT_DIRTY", "false"],
    ...PROGRAMS.map((name): [string, string] => [pathKey(name), components[name].path]),
    ...PROGRAMS.map((name): [string, string] => [
      fileKey(name),
      `${components[name].path}/${components[name].file}`,
    ]),
  ];
  return lines.map(([key, value]) => `${key}=${value}\n`).join("");
}

/** Of a host's system. `files`: of each program, the one that runs, such as bin/sandbox. */
export function manifestEnvOf(
  { rev, builtAt, hosts, components }: Manifest,
  { host, repo, files }: { host: string; repo: string; files: Record<Program, string> },
): ManifestEnv {
  const shipped = components[hosts[host]?.system ?? ""] ?? {};
  const programs = PROGRAMS.map((name) => {
    const path = shipped[name]?.path;
    if (path === undefined) throw new Error(`The release ships no component ${name} for ${host}`);
    return [name, { path, file: files[name] }];
  });
  return manifestEnv.parse({
    ...{ schema: "env", rev, shortRev: rev.slice(0, 7), repo },
    builtAt: new Date(builtAt * 1000).toISOString().replace(/\.\d+/, ""),
    components: Object.fromEntries(programs),
  });
}

const KEYS = {
  rev: "RELEASE_SHA",
  shortRev: "RELEASE_SHORT_SHA",
  builtAt: "RELEASE_CREATED_AT",
  repo: "REPO_ROOT",
};

function pathKey(name: Program): string {
  return `${name.toUpperCase()}_PATH`;
}

function fileKey(name: Program): string {
  return `${name.toUpperCase()}_BIN`;
}

function keyOf([top, name, part]: readonly PropertyKey[]): string {
  const program = PROGRAMS.find((known) => known === name);
  if (program !== undefined) return part === "file" ? fileKey(program) : pathKey(program);
  return KEYS[top as keyof typeof KEYS] ?? String(top);
}

function valuesOf(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const [, key, value] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined)
      throw new Error(`line ${index + 1} is not KEY=value`);
    if (values.has(key)) throw new Error(`${key} is there twice`);
    values.set(key, value);
  }
  return values;
}
