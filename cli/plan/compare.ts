import { isDeepStrictEqual } from "node:util";
import type { PlanDocument } from "../../contract/plan.ts";
import { shortPath } from "../../contract/store-path.ts";

/** What is not as it was when the plan was reviewed: sentences; none if it may be applied. */
export function changesSince(reviewed: PlanDocument, now: PlanDocument): string[] {
  return [
    ...releaseChanges(reviewed, now),
    ...hostChanges(reviewed, now),
    ...planChanges(reviewed, now),
  ];
}

function releaseChanges({ release: before, ...was }: PlanDocument, now: PlanDocument): string[] {
  const { release: after } = now;
  if (before.rev !== after.rev)
    return [
      `release: ${before.rev.slice(0, 12)} was reviewed, ${after.rev.slice(0, 12)} is what it would be now`,
    ];
  const rebuilt = before.id !== null && after.id !== null && before.id !== after.id;
  return [
    ...(rebuilt
      ? [
          `release: ${before.rev.slice(0, 12)} was built anew, so it is not the one that was reviewed`,
        ]
      : []),
    ...(was.mode === now.mode
      ? []
      : [`mode: ${was.mode} was reviewed, ${now.mode} is what is set now`]),
  ];
}

const HOST = {
  machineId: "is another machine",
  system: "system",
  nixVersion: "Nix",
  nixosVersion: "NixOS",
  currentSystem: "runs",
  bootedSystem: "has booted",
  profile: "would boot",
  generation: "generation",
  links: "links",
  rev: "release committed last",
  failedUnits: "failed units",
} as const;

function hostChanges({ host: before }: PlanDocument, { host: after }: PlanDocument): string[] {
  return Object.entries(HOST).flatMap(([key, says]) => {
    const [was, is] = [before[key as keyof typeof HOST], after[key as keyof typeof HOST]];
    return isDeepStrictEqual(was, is)
      ? []
      : [`${after.name}: ${says}: ${shown(was)} then, ${shown(is)} now`];
  });
}

/** What is told of the host already. */
const TOLD = new Set(["from", "host", "rev", "fromRev", "subject", "copy"]);

function planChanges(reviewed: PlanDocument, now: PlanDocument): string[] {
  const [before, after]: Record<string, unknown>[] = [reviewed.change, now.change];
  const keys = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].sort();
  const changed = keys
    .filter((key) => !TOLD.has(key) && !isDeepStrictEqual(before?.[key], after?.[key]))
    .flatMap((key) => said(key, before?.[key], after?.[key]));
  return [...changed, ...copyChanges(reviewed, now)];
}

/** What was copied meanwhile is done; what comes on another way, or is more, was not reviewed. */
function copyChanges(
  { change: { copy: was } }: PlanDocument,
  { change: { copy: is } }: PlanDocument,
): string[] {
  const more = is.paths > was.paths || is.bytes > was.bytes;
  const known = new Set((was.sources ?? []).map(({ from }) => from));
  const others = (is.sources ?? []).map(({ from }) => from).filter((from) => !known.has(from));
  return [
    ...(more ? [`copy: ${was.paths} paths then, ${is.paths} now`] : []),
    ...(was.way === is.way || is.paths === 0
      ? []
      : [`copy: ${was.way ?? "?"} then, ${is.way ?? "?"} now`]),
    ...others.map((from) => `copy: from ${from ?? "no cache that is known"} now`),
    ...(isDeepStrictEqual(was.problems ?? [], is.problems ?? [])
      ? []
      : [`copy: problems: ${shown(is.problems ?? [])} now`]),
  ];
}

function said(key: string, was: unknown, is: unknown): string[] {
  if (isRecord(was) && isRecord(is))
    return Object.keys({ ...was, ...is })
      .filter((inner) => !isDeepStrictEqual(was[inner], is[inner]))
      .map((inner) => difference(`${key}: ${inner}`, was[inner], is[inner]));
  return [difference(key, was, is)];
}

/** Of two lists only what is in one of them. */
function difference(what: string, was: unknown, is: unknown): string {
  if (!Array.isArray(was) || !Array.isArray(is))
    return `${what}: ${shown(was)} then, ${shown(is)} now`;
  const lost = without(was, is).map((item) => `- ${shown(item)}`);
  const added = without(is, was).map((item) => `+ ${shown(item)}`);
  return `${what}: ${[...added, ...lost].join(", ") || "in another order"}`;
}

function without(list: readonly unknown[], others: readonly unknown[]): unknown[] {
  return list.filter((item) => !others.some((other) => isDeepStrictEqual(item, other)));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).join(", ");
  if (isRecord(value))
    return typeof value["name"] === "string" ? value["name"] : JSON.stringify(value);
  return String(value).startsWith("/nix/store/") ? shortPath(String(value)) : String(value);
}
