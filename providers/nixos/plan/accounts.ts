import type { Account, Accounts } from "../../../contract/description.ts";
import type { AccountChanges } from "../../../contract/plan.ts";

/** How the users or the groups of one system differ from those of another; null if one of the two does not tell. */
export function accountChanges(
  before: Accounts | null | undefined,
  after: Accounts | null | undefined,
  kind: "users" | "groups",
): AccountChanges | null {
  const [was, is] = [before?.[kind], after?.[kind]];
  if (was === undefined || is === undefined) return null;
  // Another way to make them says other things of the same account.
  const comparable = before?.by === after?.by;
  const changed = Object.keys(is)
    .filter((name) => name in was)
    .map((name) => ({
      name,
      what: differing(was[name] ?? {}, is[name] ?? {}, (key) => comparable || SHARED.has(key)),
    }))
    .filter(({ what }) => what.length > 0);
  return {
    added: missingIn(was, is),
    removed: missingIn(is, was),
    changed: changed.sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** What users-groups.json and userborn.json both say, in the same form. */
const SHARED = new Set(["uid", "gid", "group", "members", "home", "description"]);

function missingIn(known: object, all: object): string[] {
  return Object.keys(all)
    .filter((name) => !(name in known))
    .sort();
}

function differing(was: Account, is: Account, counts: (key: string) => boolean): string[] {
  const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter(counts).sort();
  return keys
    .filter((key) => comparableValue(was[key]) !== comparableValue(is[key]))
    .flatMap((key) => {
      if (key === "members") return members(was[key], is[key]);
      return [key === "hidden" ? "password" : key];
    });
}

/** A shell or another file of a package is the same one in a newer version. */
function comparableValue(value: unknown): string {
  return JSON.stringify(value ?? null).replaceAll(/\/nix\/store\/[^/"]*/g, "");
}

function members(was: unknown, is: unknown): string[] {
  const [before, after] = [was, is].map((value) =>
    Array.isArray(value) ? value.map(String) : String(value ?? "").split(" "),
  ) as [string[], string[]];
  const joined = after.filter((name) => name !== "" && !before.includes(name));
  const left = before.filter((name) => name !== "" && !after.includes(name));
  return [...joined.sort().map((name) => `+${name}`), ...left.sort().map((name) => `-${name}`)];
}
