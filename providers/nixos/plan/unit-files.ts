import { remembering } from "./remembering.ts";

/** Unit files of a toplevel by name below etc/systemd/system; links as `-> target`. */
export type UnitTree = Readonly<Record<string, string>>;

/** Options by `Section.Key`, in the order of the files; drop-ins come last. */
export type Unit = ReadonlyMap<string, readonly string[]>;

export const MASKED = "masked";
export type UnitFile = Unit | typeof MASKED;

/** The units of a tree by name, and of its templates these instances. */
export function unitsOf(tree: UnitTree, instances: Iterable<string>): Map<string, UnitFile> {
  const units = new Map<string, UnitFile>();
  for (const [file, text] of Object.entries(tree)) {
    if (file.includes("/")) continue;
    if (text === "-> /dev/null" || text === "") units.set(file, MASKED);
    else if (!text.startsWith("-> ")) units.set(file, parse([text, ...dropIns(tree, file)]));
  }
  for (const instance of instances) {
    if (!instance.includes("@")) continue;
    const template = tree[templateOf(instance)];
    if (units.has(instance) || template === undefined) continue;
    if (template === "-> /dev/null") units.set(instance, MASKED);
    if (template.startsWith("-> ")) continue;
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
export function instancesOf(tree: UnitTree): Set<string> {
  const names = Object.keys(tree).flatMap((file) => {
    const [directory = "", name] = file.split("/");
    return name === undefined ? [] : directory.endsWith(".d") ? [directory.slice(0, -2)] : [name];
  });
  return new Set(names.filter((name) => name.includes("@") && !isTemplate(name)));
}

/** Declared by drop-ins before, and no more: gone, although its template is not. */
export function lostDropIns(unit: string, before: UnitTree, after: UnitTree): boolean {
  return (
    unit.includes("@") &&
    !(unit in before) &&
    dropIns(before, unit).length > 0 &&
    dropIns(after, unit).length === 0
  );
}

/** The unit that a name stands for: an alias is a link to another name. */
export function aliased(name: string, tree: UnitTree): string {
  const target = /^-> (?:.*\/)?([^/]+)$/.exec(tree[name] ?? "")?.[1];
  return target === undefined || target === "null" ? name : target;
}

/** Of two trees, and of those of a fleet, most files are the same. */
const read = remembering(readText, 2000);

function parse(texts: readonly string[]): Unit {
  return read(texts.join("\n"));
}

function readText(given: string): Unit {
  const options = new Map<string, string[]>();
  let section = "";
  for (const line of given.replaceAll("\\\n", " ").split("\n")) {
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

export function flag(unit: Unit, key: string, otherwise: boolean): boolean {
  const value = unit.get(key)?.at(-1);
  return value === undefined ? otherwise : /^(1|yes|true|on)$/i.test(value);
}

/** The words of a list of units. */
export function words(unit: Unit, key: string): string[] {
  return (unit.get(key) ?? []).flatMap((value) => value.split(/\s+/)).filter((word) => word !== "");
}

export function isTarget(unit: string): boolean {
  return unit.endsWith(".target");
}

function isTemplate(unit: string): boolean {
  return /@\.[a-z]+$/.test(unit);
}

function templateOf(instance: string): string {
  return instance.replace(/@.*(\.[a-z]+)$/, "@$1");
}
