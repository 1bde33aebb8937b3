import type { Holds } from "./conditions.ts";
import { type ActiveUnits, PlannedHost } from "./planned-host.ts";
import { play } from "./play.ts";
import { requestsOf } from "./requests.ts";
import { isTarget, type UnitTree } from "./unit-files.ts";

export type { ActiveUnits } from "./planned-host.ts";
export type { UnitTree } from "./unit-files.ts";

/** What a switch will do to units, each named once. */
export interface UnitChanges {
  readonly stop: string[];
  readonly start: string[];
  readonly restart: string[];
  readonly reload: string[];
  /** Changed, and kept running as they are. */
  readonly keep: string[];
}

/**
 * Predicts a switch from the two unit trees and what runs: what switch-to-configuration asks of systemd, by its rules,
 * and then what systemd does about it, by the dependencies of the units.
 */
export function unitChanges(
  before: UnitTree,
  after: UnitTree,
  active?: ActiveUnits,
  holds?: Holds,
): UnitChanges {
  const host = new PlannedHost({ before, after, active, holds });
  const asked = requestsOf(host);
  const played = play(host, asked);
  const changes: UnitChanges = { stop: [], start: [], restart: [], reload: [], keep: [] };
  for (const unit of [...new Set([...played.keys(), ...asked.keep])].sort()) {
    const fate = played.get(unit) ?? "keep";
    // A target has no process; only a new one says something.
    if (!isTarget(unit) || (fate === "start" && !host.old.has(unit))) changes[fate].push(unit);
  }
  return changes;
}
