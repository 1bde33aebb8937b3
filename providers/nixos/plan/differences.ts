import type { PlannedUnits, SwitchedUnits, UnitChange } from "../../../contract/unit-changes.ts";
import type { UnitChanges } from "./units.ts";

const MOST_NAMES = 200;

/** Of a plan what a host puts on record. */
export function plannedUnits(changes: UnitChanges): PlannedUnits {
  const { stop, start, restart, reload } = changes;
  return {
    ...{ stop: stop.slice(0, MOST_NAMES), start: start.slice(0, MOST_NAMES) },
    ...{ restart: restart.slice(0, MOST_NAMES), reload: reload.slice(0, MOST_NAMES) },
  };
}

type Planned = keyof PlannedUnits;

const DONE: Readonly<Record<Planned, UnitChange["change"]>> = {
  stop: "stopped",
  start: "started",
  restart: "restarted",
  reload: "reloaded",
};
const VERBS = Object.keys(DONE) as Planned[];

/**
 * Where a switch did something else to a unit than was planned: sentences, in the order of the units' names. What moves by
 * itself is none: a unit that a timer, a socket, a path or the bus can start may start and end at any time, and so may an
 * instance that no system names, such as that of a session.
 */
export function differences({ planned, changed, omitted }: SwitchedUnits): string[] {
  if (planned === null || omitted > 0 || VERBS.some((verb) => planned[verb].length >= MOST_NAMES))
    return [];
  const wanted = new Map(
    VERBS.flatMap((verb) => planned[verb].map((unit) => [unit, verb] as const)),
  );
  const real = new Map(changed.map((change) => [change.unit, change]));
  const units = [...new Set([...wanted.keys(), ...real.keys()])].sort();
  return units.flatMap((unit) => {
    const [verb, change] = [wanted.get(unit), real.get(unit)];
    if (unit.endsWith(".target") || isAsPlanned(verb, change)) return [];
    const was = change === undefined ? "was left as it was" : `was ${change.change}`;
    return [
      `${unit} ${was}, ${verb === undefined ? "which was not planned" : `not ${DONE[verb]}`}`,
    ];
  });
}

function isAsPlanned(verb: Planned | undefined, change: UnitChange | undefined): boolean {
  if (change === undefined) return false;
  if (verb === undefined) return movesByItself(change);
  if (DONE[verb] === change.change) return true;
  // Stopped as planned, and somebody has connected since.
  return verb === "stop" && change.change === "restarted" && change.triggered === true;
}

function movesByItself({ unit, change, triggered = false }: UnitChange): boolean {
  return (change === "started" || change === "stopped") && (triggered || unit.includes("@"));
}
