import { shortPath } from "../../../contract/store-path.ts";
import { etcText, usersText } from "./changes-text.ts";
import type { PackageChange } from "./packages.ts";
import type { Plan } from "./plan.ts";

/** The plan as an operator reads it below a preview. */
export function planText(plan: Plan): string {
  return textOfAll([plan]);
}

/** Of hosts to which the same will be done, as `sameness` has it: what differs is told as a range, or by an example. */
export function textOfAll(plans: readonly [Plan, ...Plan[]]): string {
  const [plan] = plans;
  const title = `${hostsText(plans.map(({ host }) => host))}: ${plan.fromRev?.slice(0, 12) ?? "unmanaged"} -> ${plan.rev.slice(0, 12)} ${plan.subject}`;
  const running: [string, string][] = plan.running === null ? [] : [["running", plan.running]];
  const all = [...running, ...rows(plans)];
  return [title, ...all.map(([name, value]) => `  ${name.padEnd(9)} ${value}`)].join("\n");
}

const NAMED = 8;

/** `web-1`, or `20 hosts (web-1, web-2, … and 12 more)`. */
export function hostsText(hosts: readonly string[]): string {
  if (hosts.length === 1) return hosts[0] ?? "";
  const more = hosts.length > NAMED ? ` and ${hosts.length - NAMED} more` : "";
  return `${hosts.length} hosts (${hosts.slice(0, NAMED).join(", ")}${more})`;
}

function copyText(copies: readonly [Plan["copy"], ...Plan["copy"][]]): string {
  const [{ paths, bytes, free, way }] = copies;
  if (paths === 0) return "nothing, all paths are there";
  const short = free !== undefined && free < bytes;
  const room = short ? `, but only ${bytesText(free)} are free there` : "";
  return `${amountText(copies)}${way === undefined ? "" : `, ${way}`}${room}`;
}

function amountText(amounts: readonly { readonly paths: number; readonly bytes: number }[]) {
  const paths = range(amounts.map(({ paths: count }) => count)).map(String);
  const bytes = range(amounts.map(({ bytes: size }) => size)).map(bytesText);
  return `${[...new Set(paths)].join(" to ")} paths, ${[...new Set(bytes)].join(" to ")}`;
}

function range(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return [sorted[0] ?? 0, sorted.at(-1) ?? 0];
}

function sourceTexts(copies: readonly Plan["copy"][]): string[] {
  return (copies[0]?.sources ?? []).map(({ from, filled }, index) => {
    const amount = amountText(copies.map(({ sources }) => sources?.[index] ?? NOTHING));
    if (from === null) return `${amount}: no cache is known to have them`;
    return `${amount} from ${from}${filled ? ", which the builder fills first" : ""}`;
  });
}

const NOTHING = { paths: 0, bytes: 0 };

function systemText(plans: readonly [Plan, ...Plan[]]): string {
  const [{ from, to }] = plans;
  const changes = new Set(plans.map((plan) => `${plan.from} ${plan.to}`));
  const example = `${nameOf(from)} -> ${nameOf(to)}`;
  return changes.size === 1 ? example : `of each its own, such as ${example}`;
}

function rows(plans: readonly [Plan, ...Plan[]]): [string, string][] {
  const [plan] = plans;
  const system = systemText(plans);
  const copies = plans.map(({ copy }) => copy) as [Plan["copy"], ...Plan["copy"][]];
  const ends = [
    ...plan.pending.map((sentence): [string, string] => ["pending", sentence]),
    ...plan.drift.map((sentence): [string, string] => ["drift", sentence]),
  ];
  const links = linkRows(plan);
  const effect: [string, string][] = plan.effect === null ? [] : [["effect", plan.effect]];
  if (plan.from === plan.to)
    return [
      ["system", plans.length === 1 ? `${nameOf(plan.to)} (no change)` : "no change"],
      ...links,
      ...(links.length === 0 ? [] : effect),
      ...ends,
    ];
  if (!plan.built)
    return [
      ["system", system],
      ["packages", "known once it is built; so are units, users, /etc and the size of the copy"],
      ...links,
      ...effect,
      ...ends,
    ];
  return [
    ["system", system],
    ...listed("packages", plan.packages.map(packageText), "none"),
    ...listed("copy", [copyText(copies), ...sourceTexts(copies)], undefined),
    ...unitRows(plan),
    ...one("users", usersText(plan.users, plan.groups)),
    ...one("/etc", etcText(plan.etc)),
    ...links,
    ...listed("reboot", plan.reboot, undefined),
    ["probes", plan.probes.join(", ") || "none"],
    ...listed("smoke", plan.smoke === undefined ? [] : [plan.smoke.join(", ")], undefined),
    ...effect,
    ...ends,
  ];
}

function linkRows({ links, restart }: Plan): [string, string][] {
  const changes = links.map(
    ({ name, from, to }) => `${name}: ${from ?? "nothing"} -> ${to.replace(/^\/nix\/store\//, "")}`,
  );
  return [
    ...listed("links", changes, undefined),
    ...listed("restart", restart.length === 0 ? [] : [restart.join(", ")], undefined),
  ];
}

function nameOf(path: string | null): string {
  return path === null ? "nothing" : shortPath(path);
}

function unitRows({ units }: Plan): [string, string][] {
  const verbs = ["stop", "restart", "reload", "start", "keep"] as const;
  const changed = verbs.flatMap((verb): [string, string][] =>
    units[verb].length === 0 ? [] : [[verb, units[verb].join(", ")]],
  );
  return changed.length === 0 ? [["units", "none changes"]] : changed;
}

function one(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]];
}

const LISTED = 20;

function listed(
  name: string,
  items: readonly string[],
  otherwise: string | undefined,
): [string, string][] {
  if (items.length === 0) return otherwise === undefined ? [] : [[name, otherwise]];
  const shown = items
    .slice(0, LISTED)
    .map((item, index): [string, string] => [index === 0 ? name : "", item]);
  return items.length > LISTED ? [...shown, ["", `and ${items.length - LISTED} more`]] : shown;
}

export function packageText({ name, from, to, bytes }: PackageChange): string {
  const versions =
    from.length === 0
      ? `new ${to.join(", ")}`
      : to.length === 0
        ? `${from.join(", ")} removed`
        : from.join(" ") === to.join(" ")
          ? "rebuilt"
          : `${from.join(", ")} -> ${to.join(", ")}`;
  const size = bytes === 0 ? "" : ` (${bytes > 0 ? "+" : "-"}${bytesText(Math.abs(bytes))})`;
  return `${name}: ${versions}${size}`;
}

/** `1.2 GiB`; below 1024 as bytes. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
