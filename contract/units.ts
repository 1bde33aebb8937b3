import type { Probe } from "./probe.ts";

/** The units that a health contract is about. */
export function contractUnits(probes: readonly Probe[]): string[] {
  const names = probes.flatMap((probe) =>
    probe.kind === "unit" ? [probe.unit, probe.onlyIfActive ?? probe.unit] : [],
  );
  return [...new Set(names)];
}
