// What goes wrong on purpose, and what must hold whatever went wrong.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { LabHost } from "../../lab/lab.ts";
import type { Ended, PulumiOptions, StackName } from "../../lab/project.ts";
import { invocations, pointers, roots, type World } from "./world.ts";

const yaml: { load(text: string): unknown } = createRequire(import.meta.url)("js-yaml");

/** Settings by path: `{"host.connection.host": "choiros-nobody"}`; a number is an index, undefined takes one out. */
export type Changes = Readonly<Record<string, unknown>>;

/** Runs `work` with other settings in the stack's file, and puts the file back. */
export async function withSettings<T>(
  { project }: World,
  stack: StackName,
  changes: Changes,
  work: () => Promise<T>,
): Promise<T> {
  const file = project.stackFile(stack);
  const text = readFileSync(file, "utf8");
  const content = yaml.load(text) as { config: Record<string, unknown> };
  for (const [path, value] of Object.entries(changes)) set(content.config, path.split("."), value);
  writeFileSync(file, JSON.stringify(content)); // which is YAML too
  try {
    return await work();
  } finally {
    writeFileSync(file, text);
  }
}

function set(config: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at: Record<string, unknown> = config;
  const keys = [`choiros:${path[0]}`, ...path.slice(1)];
  for (const key of keys.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Record<string, unknown>;
  }
  at[keys.at(-1) ?? ""] = value;
}

/** The errors that a user reads below the run, without what Pulumi prints on top. */
export function errorsIn({ output }: Ended): string {
  const [, diagnostics = ""] = output.split(/^Diagnostics:$/m);
  const [errors = ""] = diagnostics.split(/^(?:Outputs|Resources):$/m);
  return errors.trim();
}

export interface RefusalOptions extends PulumiOptions {
  /** More options of `pulumi up`. */
  readonly args?: readonly string[];
}

/** `pulumi up` that must end at once, in a sentence of ours. */
export async function refusal(
  world: World,
  stack: StackName,
  changes: Changes = {},
  { args: more = [], ...options }: RefusalOptions = {},
): Promise<string> {
  const args = ["up", "--yes", "--skip-preview", "--stack", stack, ...more];
  const ended = await withSettings(world, stack, changes, () =>
    world.project.pulumi(args, options),
  );
  const said = errorsIn(ended);
  if (process.env.E2E_SHOW) console.log(`      ${ended.seconds.toFixed(1)} s ${said}`);
  assert.notEqual(ended.code, 0, `pulumi up should have failed:\n${ended.output}`);
  assert.ok(ended.seconds < 30, `it took ${ended.seconds} s`);
  assertPlain(ended.output);
  return said;
}

/** No stack trace, no dump of an object: neither helps an operator. */
export function assertPlain(output: string): void {
  for (const trace of [
    /^\s+at .*:\d+:\d+\)?$/m,
    /file:\/\/\/\S+\.[jt]s/,
    /\[object Object\]/,
    /node:internal/,
  ])
    assert.doesNotMatch(output, trace);
}

export interface Snapshot {
  readonly pointers: object;
  readonly services: Readonly<Record<string, string>>;
  readonly roots: Readonly<Record<string, string>>;
  readonly records: string;
}

/** All of a host that a refused `up` must leave alone. */
export async function snapshot(host: LabHost): Promise<Snapshot> {
  const [where, services, held, records] = await Promise.all([
    pointers(host),
    invocations(host),
    roots(host),
    host.must(["bash", "-c", RECORDS]),
  ]);
  return { pointers: where, services, roots: held, records };
}

const RECORDS = `cd /var/lib/nixos-promote 2>/dev/null || exit 0
ls jobs; cat ledger.jsonl; cat previous; ls -A /etc/systemd/system.control /run/systemd/system 2>/dev/null || true`;

/** Asserts that `work` changes nothing on the host. */
export async function leavesAlone<T>(host: LabHost, work: () => Promise<T>): Promise<T> {
  const before = await snapshot(host);
  const result = await work();
  assert.deepEqual(await snapshot(host), before);
  return result;
}

/** Does something to a host or a file, and undoes it whatever happens in between. */
export async function during<T>(
  fault: () => Promise<unknown> | unknown,
  mend: () => Promise<unknown> | unknown,
  work: () => Promise<T>,
): Promise<T> {
  try {
    await fault();
    return await work();
  } finally {
    await mend();
  }
}

/** A file with other text in it for a while. */
export function withText<T>(
  file: string,
  edit: (text: string) => string,
  work: () => Promise<T>,
): Promise<T> {
  const text = readFileSync(file, "utf8");
  const edited = edit(text);
  assert.notEqual(edited, text, `${file} was not changed`);
  return during(
    () => writeFileSync(file, edited),
    () => writeFileSync(file, text),
    work,
  );
}
