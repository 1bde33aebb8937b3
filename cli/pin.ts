import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Way } from "../contract/connection.ts";
import { EXIT, Stop } from "./exit-code.ts";
import { openProject, type Project, type SettledStack, stackNamed } from "./project.ts";

/** As `[pin]` of the settings has it. */
export type Pin =
  | { readonly rev: string }
  | { readonly manifest: string; readonly builder?: Way | undefined };

/** Puts a pin into the settings file of a stack, or takes it out; answers what puts the file back. */
export function writePin(project: Project, stack: SettledStack, pin: Pin | undefined): () => void {
  const before = readFileSync(stack.file, "utf8");
  const restore = () => writeFileSync(stack.file, before);
  writeFileSync(stack.file, withPin(before, project.name, pin));
  if (isDeepStrictEqual(pinIn(project, stack), { pin })) return restore;
  restore();
  const line = pin === undefined ? "" : `: ${lineOf(project.name, pin).trim()}`;
  throw new Stop(
    EXIT.failed,
    `${stack.file} is written in a way that the pin cannot be ${pin === undefined ? "taken out of" : "put into"}. ` +
      `Nothing was changed. Do it by hand, below config${line}`,
  );
}

/** What the file says now; undefined if it cannot be read any more. */
function pinIn(
  { directory }: Project,
  { name }: SettledStack,
): { pin: Pin | undefined } | undefined {
  try {
    const { settings } = stackNamed(openProject(directory), name);
    return settings && { pin: settings.pin };
  } catch (error) {
    if (error instanceof Stop) return undefined;
    throw error;
  }
}

/** The text of a stack file with another pin, or none. All else stays as it was written, its comments too. */
export function withPin(text: string, project: string, pin: Pin | undefined): string {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => line.startsWith(`  ${project}:pin:`));
  if (from >= 0) {
    const rest = lines.slice(from + 1).findIndex((line) => line !== "" && !/^ {3,}\S/.test(line));
    lines.splice(from, rest < 0 ? lines.length - from - 1 : rest + 1);
  }
  const config = lines.findIndex((line) => /^config:\s*(#.*)?$/.test(line));
  if (pin !== undefined) lines.splice(config + 1, 0, lineOf(project, pin));
  return lines.join("\n");
}

/** JSON is YAML. */
function lineOf(project: string, pin: Pin): string {
  return `  ${project}:pin: ${JSON.stringify(pin)}`;
}

/** Keeps a manifest in the project, where a pin can name it; answers its path from there. */
export function keepManifest(
  { directory }: Project,
  stack: string,
  rev: string,
  text: string,
): string {
  const file = join(directory, "releases", `${stack}-${rev.slice(0, 12)}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${text.trimEnd()}\n`);
  return relative(directory, file);
}

export function describePin(pin: Pin): string {
  return "rev" in pin ? pin.rev.slice(0, 12) : pin.manifest;
}
