import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { membersOf } from "../contract/fleet.ts";
import { kindOf, type StackKind } from "../contract/stack-kind.ts";
import { parseFleetSettings } from "../fleet-settings.ts";
import { parseSettings, type Settings, SettingsError } from "../settings.ts";
import { EXIT, Stop, UsageError } from "./exit-code.ts";
import type { Watched } from "./sight.ts";

/** The stack that a command means when none is named. */
export const DEFAULT_STACK = "prod";

/** A stack as its file describes it. */
export interface Stack {
  readonly name: string;
  readonly file: string;
  /** Undefined if there are mistakes in them. */
  readonly settings: Settings | undefined;
  readonly mistakes: string | undefined;
  /** What Pulumi has sealed with the stack's passphrase, if it has one. */
  readonly encryptionSalt: string | undefined;
  /** The name that its file gives the host, also where the rest is wrong. */
  readonly host: string;
  /** The hosts of a fleet. */
  readonly members?: readonly Watched[] | undefined;
}

/** A Pulumi project with our settings, read from its files: neither Pulumi nor its backend is asked. */
export interface Project {
  readonly name: string;
  readonly directory: string;
  readonly stacks: readonly Stack[];
  /** Those without a host: there is nothing to look at. */
  readonly around: readonly StackAround[];
}

/** A stack of what is around hosts. */
export interface StackAround {
  readonly name: string;
  readonly file: string;
  /** Our settings by their plain names, as they are written. */
  readonly given: Readonly<Record<string, unknown>>;
}

export interface SettledStack extends Stack {
  readonly settings: Settings;
}

const projectFile = z.object({
  name: z.string(),
  stackConfigDir: z.string().optional(),
  config: z.record(z.string(), z.unknown()).nullish().catch(undefined),
});
const stackFile = z.object({
  config: z.record(z.string(), z.unknown()).nullish(),
  encryptionsalt: z.string().optional(),
});

/** The project that a directory is in. */
export function openProject(from: string): Project {
  const directory = projectAbove(resolve(from));
  const file = fileOf(directory, "Pulumi") ?? "";
  const { name, stackConfigDir, config } = read(file, projectFile);
  const defaults = defaultsOf(config ?? {}, name);
  const folder = stackConfigDir === undefined ? directory : resolve(directory, stackConfigDir);
  const stacks: Stack[] = [];
  const around: StackAround[] = [];
  for (const stack of stackNames(folder)) {
    const file = fileOf(folder, `Pulumi.${stack}`) ?? "";
    const { config: all, encryptionsalt: encryptionSalt } = read(file, stackFile);
    const given = ownConfig(all ?? {}, name);
    if (Object.keys(given).length === 0) continue;
    if (kindOfAll(given) === "cloud") around.push({ name: stack, file, given });
    else
      stacks.push({
        name: stack,
        file,
        encryptionSalt,
        ...settle({ ...defaults, ...given }, name),
      });
  }
  return { name, directory, stacks, around };
}

export function stackNamed({ stacks, around, directory }: Project, name: string): Stack {
  const found = stacks.find((stack) => stack.name === name);
  if (found !== undefined) return found;
  const known = stacks.map((stack) => stack.name).join(", ");
  if (around.some((stack) => stack.name === name))
    throw new UsageError(
      `The stack ${name} has no host, and this command is about hosts. For what it has: pulumi preview --stack ${name}. ${known === "" ? "" : `Stacks with hosts: ${known}.`}`.trimEnd(),
    );
  throw new UsageError(
    `There is no stack ${name} with our settings in ${directory}. ${known === "" ? "It has none." : `It has: ${known}.`} Give another --stack, or write Pulumi.${name}.yaml: see docs/settings.md.`,
  );
}

/** Of a stack whose settings have to be right. */
export function settled(stack: Stack): SettledStack {
  const { settings, mistakes } = stack;
  if (settings !== undefined) return { ...stack, settings };
  throw new Stop(EXIT.usage, `${stack.file}: ${mistakes}`);
}

function projectAbove(start: string): string {
  for (let directory = start; ; directory = dirname(directory)) {
    if (fileOf(directory, "Pulumi") !== undefined) return directory;
    if (dirname(directory) === directory)
      throw new UsageError(
        `There is no Pulumi.yaml in ${start}, nor above it. Go to the project, or name it with --cwd.`,
      );
  }
}

function fileOf(directory: string, name: string): string | undefined {
  return [".yaml", ".yml"]
    .map((suffix) => join(directory, name + suffix))
    .find((file) => existsSync(file));
}

function stackNames(folder: string): string[] {
  return readdirSync(folder)
    .flatMap((file) => /^Pulumi\.(.+)\.ya?ml$/.exec(file)?.[1] ?? [])
    .sort();
}

function read<T>(file: string, schema: z.ZodType<T>): T {
  const yaml: { load(text: string, options: object): unknown; CORE_SCHEMA: unknown } =
    createRequire(import.meta.url)("js-yaml");
  try {
    return schema.parse(yaml.load(readFileSync(file, "utf8"), { schema: yaml.CORE_SCHEMA }) ?? {});
  } catch (error) {
    const said = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new UsageError(`${file} cannot be read: ${said}`);
  }
}

/** Our settings by their plain names. */
function ownConfig(config: Record<string, unknown>, project: string): Record<string, unknown> {
  const prefix = `${project}:`;
  const own = Object.entries(config).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), parsed(value)]));
}

/** What Pulumi.yaml says for all stacks. */
function defaultsOf(config: Record<string, unknown>, project: string): Record<string, unknown> {
  const declared = z.object({ default: z.unknown(), value: z.unknown() }).partial();
  return Object.fromEntries(
    Object.entries(config).flatMap(([key, declaration]) => {
      const { data } = declared.safeParse(declaration);
      const value = data?.value ?? data?.default;
      const name = key.startsWith(`${project}:`) ? key.slice(project.length + 1) : key;
      return value === undefined || name.includes(":") ? [] : [[name, value]];
    }),
  );
}

/** `pulumi config set` without --path keeps an object as text. */
function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

const named = z.object({ host: z.object({ name: z.string() }) });

function settle(
  raw: Record<string, unknown>,
  project: string,
): Pick<Stack, "host" | "settings" | "mistakes" | "members"> {
  if (kindOfAll(raw) === "fleet") return settleFleet(raw, project);
  const host = named.safeParse(raw).data?.host.name ?? "?";
  try {
    return { host, settings: parseSettings(raw, project), mistakes: undefined };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return { host, settings: undefined, mistakes: error.message };
  }
}

function kindOfAll(raw: Record<string, unknown>): StackKind {
  return kindOf((name) => raw[name] !== undefined);
}

function settleFleet(
  raw: Record<string, unknown>,
  project: string,
): Pick<Stack, "host" | "settings" | "mistakes" | "members"> {
  const many = { host: "(many)", settings: undefined };
  try {
    const { fleet, health, activation } = parseFleetSettings(raw, project);
    const members = Object.values(membersOf(fleet)).map(({ role, ...host }) => ({
      ...{ host, activation },
      health: fleet.roles[role ?? ""]?.health ?? health,
    }));
    const mistakes =
      "This stack has many hosts, and the command is for a stack with one. promote status, promote doctor and promote plan know all of them; pulumi preview and pulumi up do the rest.";
    return { ...many, members, mistakes };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return { ...many, mistakes: error.message };
  }
}
