import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Call } from "./commands.ts";
import { UsageError } from "./exit-code.ts";
import { textOf } from "./flags.ts";

export type Format = "json" | "env";

/** `--format` of a command whose answer is a document: JSON, or lines of `key=value`. */
export function formatOf({ flags, output }: Call): Format {
  const format = textOf(flags, "format") ?? "json";
  if (format !== "json" && format !== "env")
    throw new UsageError(`--format is json or env, not ${format}.`);
  if (output.json && format === "env")
    throw new UsageError("--json and --format env exclude each other.");
  return format;
}

/** To the file of `--output`, or to stdout. */
export function deliver({ flags, output, cwd }: Call, text: string, what: string): void {
  const file = textOf(flags, "output");
  if (file === undefined) {
    output.endProgress();
    process.stdout.write(text);
    return;
  }
  writeFileSync(resolve(cwd, file), text);
  output.line(`${what}: ${file}`);
  output.document({ file });
}
