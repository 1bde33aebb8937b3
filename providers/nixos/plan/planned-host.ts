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

/** A host with two systems: what it runs, and what it is to run. */
export class PlannedHost {
  readonly old: ReadonlyMap<string, UnitFile>;
  readonly wanted: ReadonlyMap<string, UnitFile>;
  readonly before: Dependencies;
  readonly after: Dependencies;
  /** What runs now. Starting over and over is running, too. */
  readonly running: ReadonlySet<string>;
  readonly unmet: ReadonlySet<string>;
  /** Known to systemd, and of no file of the old system. */
  readonly loaded: ReadonlySet<string>;

  constructor(before: UnitTree, after: UnitTree, active: ActiveUnits | undefined) {
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
    this.unmet = new Set([...inState("unmet")].filter((unit) => sameConditions(unit, old, wanted)));
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
