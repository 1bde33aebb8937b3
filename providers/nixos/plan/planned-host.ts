import { areMet, type Holds } from "./conditions.ts";
import { type Dependencies, dependenciesOf } from "./dependencies.ts";
import {
  instancesOf,
  lostDropIns,
  MASKED,
  type UnitFile,
  type UnitTree,
  unitsOf,
} from "./unit-files.ts";

/**
 * The state of each unit that systemd has loaded; others are inactive. Without it, all units of the old tree are taken
 * for active. `unmet`: inactive, because a condition of it was not met when it was last to start.
 */
export type ActiveUnits = Readonly<Record<string, string>>;

interface Seen {
  readonly before: UnitTree;
  readonly after: UnitTree;
  readonly active: ActiveUnits | undefined;
  /** Without it, a condition is met as it was the last time. */
  readonly holds: Holds | undefined;
}

/** A host with two systems: what it runs, and what it is to run. */
export class PlannedHost {
  readonly old: ReadonlyMap<string, UnitFile>;
  readonly wanted: ReadonlyMap<string, UnitFile>;
  readonly before: Dependencies;
  readonly after: Dependencies;
  /** What runs now. Starting over and over is running, too. */
  readonly running: ReadonlySet<string>;
  /** Will not start, because of their conditions. */
  readonly unmet: ReadonlySet<string>;
  /** Known to systemd, and of no file of the old system. */
  readonly loaded: ReadonlySet<string>;

  constructor({ before, after, active, holds }: Seen) {
    const there = Object.keys(active ?? {});
    const inState = (...states: string[]) =>
      new Set(there.filter((unit) => states.includes(active?.[unit] ?? "")));
    const instances = [...instancesOf(before), ...instancesOf(after), ...there];
    this.old = unitsOf(before, instances);
    this.wanted = unitsOf(
      after,
      instances.filter((unit) => !lostDropIns(unit, before, after)),
    );
    this.running =
      active === undefined
        ? new Set([...this.old].filter(([, file]) => file !== MASKED).map(([unit]) => unit))
        : inState("active", "activating", "reloading");
    const { old, wanted } = this;
    this.loaded = new Set(there.filter((unit) => !old.has(unit)));
    const wasUnmet = inState("unmet");
    this.unmet = new Set(
      [...wanted].flatMap(([unit, file]) => {
        if (file === MASKED) return [];
        const met = holds && areMet(file, holds);
        const isUnmet =
          met === undefined ? wasUnmet.has(unit) && sameConditions(unit, old, wanted) : !met;
        return isUnmet ? [unit] : [];
      }),
    );
    this.before = dependenciesOf(this.old, before);
    this.after = dependenciesOf(this.wanted, after);
  }
}

function sameConditions(unit: string, ...[old, wanted]: ReadonlyMap<string, UnitFile>[]): boolean {
  const [before, after] = [old?.get(unit), wanted?.get(unit)].map((file) =>
    file === undefined || file === MASKED
      ? ""
      : JSON.stringify([...file].filter(([key]) => key.startsWith("Unit.Condition"))),
  );
  return before === after;
}
