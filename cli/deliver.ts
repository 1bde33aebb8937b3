import { writeFileSync } from "node:fs";
import type { Call } from "./commands.ts";
import { destination } from "./destination.ts";
import { UsageError } from "./exit-code.ts";
import { textOf } from "./flags.ts";

/** Of a command whose answer is a document: in which form, and what brings it to where it is wanted. */
interface Delivery {
  /** `--format`: JSON, or lines of `key=value`. */
  readonly format: "json" | "env";
  /** To the file of `--output`, or to stdout. */
  deliver(text: string, what: string): void;
}

export function deliveryOf(call: Call): Delivery {
  const { flags, output } = call;
  const format = textOf(flags, "format") ?? "json";
  if (format !== "json" && format !== "env")
    throw new UsageError(`--format is json or env, not ${format}.`);
  if (output.json && format === "env")
    throw new UsageError("--json and --format env exclude each other.");
  const file = destination(call, "output");
  const deliver = (text: string, what: string) => {
    output.endProgress();
    if (file === undefined) {
      process.stdout.write(text);
      return;
    }
    writeFileSync(file, text);
    const named = textOf(flags, "output");
    output.line(`${what}: ${named}`);
    output.document({ file: named });
  };
  return { format, deliver };
}
