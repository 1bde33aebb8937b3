import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Call } from "./commands.ts";
import { UsageError } from "./exit-code.ts";
import { textOf } from "./flags.ts";

/** The file that an option names. Asked for before the work, so that no answer is lost for want of a place. */
export function destination(
  { flags, cwd }: Pick<Call, "flags" | "cwd">,
  option: string,
): string | undefined {
  const given = textOf(flags, option);
  if (given === undefined) return undefined;
  const file = resolve(cwd, given);
  const why = obstacle(file);
  if (why === undefined) return file;
  throw new UsageError(`--${option} ${given} cannot be written: ${why}. Nothing was touched.`);
}

function obstacle(file: string): string | undefined {
  const directory = dirname(file);
  if (!existsSync(directory)) return `there is no directory ${directory}`;
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) return "it is a directory";
  try {
    accessSync(existsSync(file) ? file : directory, constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
