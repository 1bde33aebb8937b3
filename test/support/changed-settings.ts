import assert from "node:assert/strict";
import { parseSettings } from "../../settings.ts";
import { settingsOf } from "./stack-config.ts";

export type Raw = Record<string, unknown>;

/** The lines of what is said of settings, without the first. */
export function mistakesOf(raw: Raw): string[] {
  try {
    parseSettings(raw);
  } catch (error) {
    const [first, ...lines] = (error as Error).message.split("\n");
    assert.equal(first, "The configuration of this stack has mistakes; nothing was touched.");
    return lines.map((line) => line.trim());
  }
  return [];
}

/** The shipped settings of grind, with one value put in, or taken out by `undefined`. */
export function changed(
  path: readonly (string | number)[],
  value: unknown,
  stack: "grind" | "prod" = "grind",
): Raw {
  const raw = structuredClone(settingsOf(stack));
  let at: Record<string | number, unknown> = raw;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  at[path.at(-1) ?? ""] = value;
  return raw;
}
