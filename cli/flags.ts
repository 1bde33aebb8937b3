import type { Flags } from "./arguments.ts";

export function textOf(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

export function isSet(flags: Flags, name: string): boolean {
  return flags[name] === true;
}

/** The arguments that are no options. */
export function operandsOf(flags: Flags): readonly string[] {
  const { operands } = flags;
  return Array.isArray(operands) ? (operands as readonly string[]) : [];
}
