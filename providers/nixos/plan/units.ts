import { unitName } from "../../../contract/probe.ts";

/** What a switch will do to units, each named once. */
export interface UnitChanges {
  readonly stop: string[];
  readonly start: string[];
  readonly restart: string[];
  readonly reload: string[];
  /** Changed, and kept running as they are. */
  readonly keep: string[];
}

/** Unit files of a toplevel by name below etc/systemd/system; links as `-> target`. */
export type UnitTree = Readonly<Record<string, string>>;

/** What is running now, of the units that matter here. Absent means: take it for active. */
export type ActiveUnits = Readonly<Record<string, string>>;

/**
 * Predicts a switch from the two unit trees, by the rules of switch-to-configuration: a changed
 * unit restarts unless its X- options say otherwise, a removed one stops, a new one starts when a
 * target wants it.
 */
export function unitChanges(
  before: UnitTree,
  after: UnitTree,
  active: ActiveUnits = {},
): UnitChanges {
  const changes: UnitChanges = { stop: [], start: [], restart: [], reload: [], keep: [] };
  const running = new Set([
    ...instancesOf(before),
    ...Object.keys(active).filter((unit) => isRunning(active[unit])),
  ]);
  const old = unitsOf(before, running);
  const wanted = unitsOf(
    after,
    new Set(
      [...running, ...instancesOf(after)].filter((unit) => !lostDropIns(unit, before, after)),
    ),
  );
  const fates = new Map<string, Fate>();
  for (const unit of new Set([...old.keys(), ...wanted.keys()])) {
    const fate = fateOf(unit, old.get(unit), wanted.get(unit), after, active);
    if (fate !== undefined) fates.set(unit, fate);
  }
  for (const [unit, fate] of [...fates]) {
    if (fate === "restart") restartBySocket(unit, wanted, active, fates);
  }
  for (const unit of [...fates.keys()].sort()) changes[fates.get(unit) ?? "keep"].push(unit);
  return changes;
}

/** Every unit that a switch between the two trees could touch. */
export function unitNames(before: UnitTree, after: UnitTree): string[] {
  const names = [before, after].flatMap((tree) => [
    ...Object.keys(tree).filter((file) => /^[^/]+\.[a-z]+$/.test(file) && !isTemplate(file)),
    ...instancesOf(tree),
  ]);
  return [...new Set(names)].filter((name) => unitName.safeParse(name).success);
}

type Fate = keyof UnitChanges;
/** Options by `Section.Key`, in the order of the files; drop-ins come last. */
type Unit = ReadonlyMap<string, readonly string[]>;

const MASKED = "masked";

function fateOf(
  unit: string,
  before: Unit | typeof MASKED | undefined,
  after: Unit | typeof MASKED | undefined,
  tree: UnitTree,
  active: ActiveUnits,
): Fate | undefined {
  const runs = isRunning(active[unit]);
  if (before === undefined || before === MASKED)
    return after !== undefined && after !== MASKED && isWanted(unit, tree) ? "start" : undefined;
  if (after === undefined || after === MASKED)
    return runs && flag(before, "Unit.X-StopOnRemoval", true) && !isTarget(unit)
      ? "stop"
      : undefined;
  if (isTarget(unit)) return undefined;
  if (!runs) return isWanted(unit, tree) ? "start" : undefined;
  return changedFate(unit, before, after);
}

// Starting over and over is running, too.
function isRunning(state = "active"): boolean {
  return state === "active" || state === "activating" || state === "reloading";
}

/** A changed service behind sockets is stopped with them; it comes back by the next connection. */
function restartBySocket(
  unit: string,
  wanted: ReadonlyMap<string, Unit | typeof MASKED>,
  active: ActiveUnits,
  fates: Map<string, Fate>,
): void {
  const service = wanted.get(unit);
  if (service === undefined || service === MASKED || !unit.endsWith(".service")) return;
  if (!flag(service, "Service.X-StopIfChanged", true)) return;
  const named = (service.get("Service.Sockets") ?? [])
    .join(" ")
    .split(" ")
    .filter((name) => name !== "");
  const sockets = named.length > 0 ? named : [unit.replace(/(@.*)?\.service$/, ".socket")];
  const there = sockets.filter((socket) => (wanted.get(socket) ?? MASKED) !== MASKED);
  for (const socket of there) if (isRunning(active[socket])) fates.set(socket, "restart");
  if (there.length > 0 && !flag(service, "Service.X-NotSocketActivated", false))
    fates.set(unit, "stop");
}

function changedFate(unit: string, before: Unit, after: Unit): Fate | undefined {
  const changed = differingKeys(before, after);
  if (changed.length === 0) return undefined;
  if (unit.endsWith(".socket") || unit.endsWith(".path") || unit.endsWith(".slice"))
    return undefined;
  if (changed.every((key) => RELOADING.has(key))) return "reload";
  if (unit.endsWith(".mount"))
    return unit === "-.mount" || unit === "nix.mount" ? "reload" : "restart";
  if (flag(after, "Service.X-ReloadIfChanged", false)) return "reload";
  if (
    !flag(after, "Service.X-RestartIfChanged", true) ||
    flag(after, "Unit.RefuseManualStop", false) ||
    flag(after, "Unit.X-OnlyManualStart", false)
  )
    return "keep";
  return "restart";
}

// Only these differ: the running process is told, not replaced.
const RELOADING = new Set(["Unit.X-Reload-Triggers", "Service.ExecReload", "Mount.Options"]);
// Say nothing about what runs.
const IGNORED = new Set(
  [
    ...[
      "Description",
      "Documentation",
      "OnFailure",
      "OnSuccess",
      "OnFailureJobMode",
      "IgnoreOnIsolate",
    ],
    ...[
      "StopWhenUnneeded",
      "RefuseManualStart",
      "RefuseManualStop",
      "AllowIsolate",
      "CollectMode",
      "SourcePath",
    ],
  ].map((key) => `Unit.${key}`),
);

function differingKeys(before: Unit, after: Unit): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (key) =>
      !IGNORED.has(key) &&
      !key.startsWith("Install.") &&
      (after.has(key) || !["Unit.X-Reload-Triggers", "Service.ExecReload"].includes(key)) &&
      (before.get(key) ?? []).join("\0") !== (after.get(key) ?? []).join("\0"),
  );
}

function unitsOf(
  tree: UnitTree,
  instances: ReadonlySet<string>,
): Map<string, Unit | typeof MASKED> {
  const units = new Map<string, Unit | typeof MASKED>();
  for (const [file, text] of Object.entries(tree)) {
    if (file.includes("/")) continue;
    if (text === "-> /dev/null" || text === "") units.set(file, MASKED);
    else if (!text.startsWith("-> ")) units.set(file, parse([text, ...dropIns(tree, file)]));
  }
  for (const instance of instances) {
    if (!instance.includes("@")) continue;
    const template = tree[templateOf(instance)];
    if (units.has(instance) || template === undefined || template.startsWith("-> ")) continue;
    units.set(
      instance,
      parse([template, ...dropIns(tree, templateOf(instance)), ...dropIns(tree, instance)]),
    );
  }
  for (const name of [...units.keys()]) if (isTemplate(name)) units.delete(name);
  return units;
}

function dropIns(tree: UnitTree, unit: string): string[] {
  const prefix = `${unit}.d/`;
  return Object.keys(tree)
    .filter((file) => file.startsWith(prefix) && file.endsWith(".conf"))
    .sort()
    .map((file) => tree[file] ?? "");
}

/** Instances that the tree itself names: wanted ones, and those with drop-ins of their own. */
function instancesOf(tree: UnitTree): Set<string> {
  const names = Object.keys(tree).flatMap((file) => {
    const [directory = "", name] = file.split("/");
    return name === undefined ? [] : directory.endsWith(".d") ? [directory.slice(0, -2)] : [name];
  });
  return new Set(names.filter((name) => name.includes("@") && !isTemplate(name)));
}

/** Declared by drop-ins before, and no more: gone, although its template is not. */
function lostDropIns(unit: string, before: UnitTree, after: UnitTree): boolean {
  return (
    unit.includes("@") && dropIns(before, unit).length > 0 && dropIns(after, unit).length === 0
  );
}

function parse(texts: readonly string[]): Unit {
  const options = new Map<string, string[]>();
  let section = "";
  for (const line of texts.join("\n").replaceAll("\\\n", " ").split("\n")) {
    const text = line.trim();
    if (text === "" || text.startsWith("#") || text.startsWith(";")) continue;
    if (text.startsWith("[")) {
      section = text.slice(1, -1);
      continue;
    }
    const at = text.indexOf("=");
    if (at < 0) continue;
    const key = `${section}.${text.slice(0, at).trim()}`;
    const value = text.slice(at + 1).trim();
    options.set(key, value === "" ? [] : [...(options.get(key) ?? []), value]); // an empty value clears
  }
  return options;
}

function flag(unit: Unit, key: string, otherwise: boolean): boolean {
  const value = unit.get(key)?.at(-1);
  return value === undefined ? otherwise : /^(1|yes|true|on)$/i.test(value);
}

function isWanted(unit: string, tree: UnitTree): boolean {
  return Object.keys(tree).some(
    (file) => /\.(wants|requires|upholds)\//.test(file) && file.endsWith(`/${unit}`),
  );
}

function isTarget(unit: string): boolean {
  return unit.endsWith(".target");
}

function isTemplate(unit: string): boolean {
  return /@\.[a-z]+$/.test(unit);
}

function templateOf(instance: string): string {
  return instance.replace(/@.*(\.[a-z]+)$/, "@$1");
}
