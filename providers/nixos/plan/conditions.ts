import type { Description } from "../../../contract/description.ts";
import type { Unit, UnitTree } from "./unit-files.ts";

/** Whether a condition without `|` and `!` holds when a unit is about to start. */
export type Holds = (kind: string, path: string) => boolean;

const BY_PATH =
  /^Condition(Path(Exists|ExistsGlob|IsDirectory|IsSymbolicLink)|FileNotEmpty|FileIsExecutable|DirectoryNotEmpty)$/;

/** The conditions of all units that a host can try before it has the system, each once. */
export function conditionsOf(units: UnitTree): string[] {
  const lines = Object.values(units).flatMap((text) => text.match(/^Condition.*$/gm) ?? []);
  const found = lines.flatMap((line) => {
    const { kind, path } = conditionOf(line.slice(0, line.indexOf("=")), afterEquals(line));
    return path === undefined ? [] : [`${kind}=${path}`];
  });
  return [...new Set(found)].sort();
}

function afterEquals(line: string): string {
  return line.slice(line.indexOf("=") + 1).trim();
}

/** What a host has tried. The switch itself makes the files of the new system below /etc, and removes those of the old one. */
export function holdsAfter(
  before: Pick<Description, "unmet" | "etc">,
  after: Pick<Description, "etc">,
): Holds | undefined {
  if (before.unmet === undefined) return undefined;
  const unmet = new Set(before.unmet);
  const [old, wanted] = [before.etc, after.etc].map((etc) => pathsOf(etc ?? {}));
  return (kind, path) => {
    if (kind === "ConditionPathExists") {
      if (wanted?.has(path) === true) return true;
      if (old?.has(path) === true) return false;
    }
    return !unmet.has(`${kind}=${path}`);
  };
}

function pathsOf(etc: Readonly<Record<string, string>>): ReadonlySet<string> {
  const paths = Object.keys(etc).flatMap((name) => {
    const parts = name.split("/");
    return parts.map((_, index) => `/etc/${parts.slice(0, index + 1).join("/")}`);
  });
  return new Set(paths);
}

/** Whether all conditions of a unit are met; undefined if that hangs on one that nobody has tried. */
export function areMet(file: Unit, holds: Holds): boolean | undefined {
  const all = [...file].filter(([key]) => key.startsWith("Unit.Condition"));
  // An empty one takes back those before it, of every kind.
  if (all.some(([, values]) => values.length === 0)) return undefined;
  const tried = all.flatMap(([key, values]) =>
    values.map((value) => {
      const { kind, path, isNegated, isTrigger } = conditionOf(key.slice("Unit.".length), value);
      return { isTrigger, met: path === undefined ? undefined : holds(kind, path) !== isNegated };
    }),
  );
  const needed = tried.filter(({ isTrigger }) => !isTrigger).map(({ met }) => met);
  const triggers = tried.filter(({ isTrigger }) => isTrigger).map(({ met }) => met);
  const isTriggered = triggers.length === 0 || either(triggers);
  if (isTriggered === false || needed.includes(false)) return false;
  return isTriggered === undefined || needed.includes(undefined) ? undefined : true;
}

function either(values: readonly (boolean | undefined)[]): boolean | undefined {
  if (values.includes(true)) return true;
  return values.includes(undefined) ? undefined : false;
}

interface Condition {
  readonly kind: string;
  /** Undefined: not by a path, or by one that only systemd knows. */
  readonly path: string | undefined;
  readonly isNegated: boolean;
  readonly isTrigger: boolean;
}

function conditionOf(kind: string, value: string): Condition {
  const [, bar = "", bang = "", path = ""] = /^(\|?)\s*(!?)\s*(.*)$/.exec(value) ?? [];
  const isKnown = BY_PATH.test(kind) && path.startsWith("/") && !path.includes("%");
  return { kind, path: isKnown ? path : undefined, isNegated: bang !== "", isTrigger: bar !== "" };
}
