// What systemd says that a switch did, and what the program itself says that it would do. No part of how we plan.

export const ACTIONS = ["restart", "start", "stop", "reload"] as const;
export type Action = (typeof ACTIONS)[number];
export type Actions = Readonly<Record<Action, readonly string[]>>;

type Properties = Readonly<Record<string, string>>;

/** From `systemctl show` of the units before and after: what ran, and whether it is still the same invocation of it. */
export function happened(before: string, after: string): Actions {
  const [was, is] = [unitsIn(before), unitsIn(after)];
  const found: Record<Action, string[]> = { restart: [], start: [], stop: [], reload: [] };
  for (const unit of [...new Set([...was.keys(), ...is.keys()])].sort()) {
    const action = actionOf(was.get(unit) ?? {}, is.get(unit) ?? {}, unit);
    if (action !== undefined && !unit.endsWith(".target")) found[action].push(unit);
  }
  return found;
}

function actionOf(was: Properties, is: Properties, unit: string): Action | undefined {
  const another = (is["InvocationID"] ?? "") !== "" && is["InvocationID"] !== was["InvocationID"];
  if (runs(was)) {
    if (another) return "restart";
    if (!runs(is)) return "stop";
    return isReloaded(was, is, unit) ? "reload" : undefined;
  }
  return another ? "start" : undefined;
}

function runs({ ActiveState: state = "" }: Properties): boolean {
  return ["active", "activating", "reloading"].includes(state);
}

/** The same process went through another state. A socket or timer does that by itself. */
function isReloaded(was: Properties, is: Properties, unit: string): boolean {
  const changed = (key: string) => was[key] !== is[key];
  return (
    /\.(service|mount)$/.test(unit) &&
    changed("StateChangeTimestampMonotonic") &&
    !changed("SubState")
  );
}

function unitsIn(text: string): Map<string, Properties> {
  const units = new Map<string, Properties>();
  for (const block of text.split("\n\n")) {
    const properties: Record<string, string> = {};
    for (const line of block.split("\n")) {
      const at = line.indexOf("=");
      if (at > 0) properties[line.slice(0, at)] = line.slice(at + 1);
    }
    const id = properties["Id"];
    if (id !== undefined) units.set(id, properties);
  }
  return units;
}

/** What `dry-activate` says: stop and start of one unit is a restart. */
export function dryRun(text: string): Actions {
  const listed = (what: string) => {
    const line = text
      .split("\n")
      .find((each) => each.startsWith(`would ${what} the following units: `));
    return new Set(line?.replace(/^.*units: /, "").split(", "));
  };
  const [stop, start, again] = [listed("stop"), listed("start"), listed("restart")];
  const both = [...stop].filter((unit) => start.has(unit));
  return {
    restart: [...again, ...both],
    start: [...start].filter((unit) => !stop.has(unit)),
    stop: [...stop].filter((unit) => !start.has(unit)),
    reload: [...listed("reload")],
  };
}
