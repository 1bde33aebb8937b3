import type { Flags } from "./arguments.ts";

export function textOf(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

export function isSet(flags: Flags, name: string): boolean {
  return flags[name] === true;
}

/** What an option that may be given more than once was given. */
export function listOf(flags: Flags, name: string): readonly string[] {
  const value = flags[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** The arguments that are no options. */
export function operandsOf(flags: Flags): readonly string[] {
  return listOf(flags, "operands");
}
