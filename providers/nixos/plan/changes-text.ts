import type { AccountChanges, EtcChanges } from "../../../contract/plan.ts";

const LISTED = 8;

/** `new alice; changed root (password); gone carol`, each list cut at some names; empty if nothing changes. */
function accountsText(changes: AccountChanges): string {
  const changed = changes.changed.map(({ name, what }) => `${name} (${what.join(", ")})`);
  return namesText({ ...changes, changed });
}

function namesText({ added, removed, changed }: EtcChanges): string {
  const lists = [
    ["new", added],
    ["changed", changed],
    ["gone", removed],
  ] as const;
  return lists
    .filter(([, names]) => names.length > 0)
    .map(([word, names]) => `${word} ${cut(names)}`)
    .join("; ");
}

function cut(names: readonly string[]): string {
  const more = names.length - LISTED;
  const shown = names.slice(0, LISTED).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** One line for users and groups; undefined if nothing of them changes. */
export function usersText(
  users: AccountChanges | null,
  groups: AccountChanges | null,
): string | undefined {
  if (users === null || groups === null) return UNKNOWN;
  const [first, second] = [accountsText(users), accountsText(groups)];
  const parts = [first, second === "" ? "" : `groups: ${second}`].filter((part) => part !== "");
  return parts.length === 0 ? undefined : parts.join("; ");
}

export function etcText(etc: EtcChanges | null): string | undefined {
  return etc === null ? UNKNOWN : namesText(etc) || undefined;
}

export interface NamedChanges {
  readonly users?: AccountChanges | null | undefined;
  readonly groups?: AccountChanges | null | undefined;
  readonly etc?: EtcChanges | null | undefined;
}

/** All of them, one by one, for a table. */
export function namedChanges({ users, groups, etc }: NamedChanges) {
  const accounts = (kind: string, changes: AccountChanges | null | undefined) => [
    ...each(kind, "new", changes?.added),
    ...(changes?.changed ?? []).map(({ name, what }) => ({
      ...{ kind, name },
      happens: `changed: ${what.join(", ")}`,
    })),
    ...each(kind, "gone", changes?.removed),
  ];
  return [
    ...accounts("user", users),
    ...accounts("group", groups),
    ...each("/etc", "new", etc?.added),
    ...each("/etc", "changed", etc?.changed),
    ...each("/etc", "gone", etc?.removed),
  ];
}

function each(kind: string, happens: string, names: readonly string[] = []) {
  return names.map((name) => ({ kind, name, happens }));
}

const UNKNOWN = "not known: at least one of the two systems does not say";
