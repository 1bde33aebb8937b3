import type { Probe } from "./probe.ts";

/** The units that a health contract is about. */
export function contractUnits(probes: readonly Probe[]): string[] {
  return probes.flatMap((probe) => (probe.kind === "unit" ? [probe.unit] : []));
}
