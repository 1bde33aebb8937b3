import { shortPath } from "../../../contract/store-path.ts";
import type { Source } from "../sources.ts";
import { etcText, usersText } from "./changes-text.ts";
import type { PackageChange } from "./packages.ts";
import type { Plan } from "./plan.ts";

/** The plan as an operator reads it below a preview. */
export function planText(plan: Plan): string {
  const title = `${plan.host}: ${plan.fromRev?.slice(0, 12) ?? "unmanaged"} -> ${plan.rev.slice(0, 12)} ${plan.subject}`;
  const running: [string, string][] = plan.running === null ? [] : [["running", plan.running]];
  const all = [...running, ...rows(plan)];
  return [title, ...all.map(([name, value]) => `  ${name.padEnd(9)} ${value}`)].join("\n");
}

function copyText({ paths, bytes, free, way }: Plan["copy"]): string {
  if (paths === 0) return "nothing, all paths are there";
  const short = free !== undefined && free < bytes;
  const room = short ? `, but only ${bytesText(free)} are free there` : "";
  return `${paths} paths, ${bytesText(bytes)}${way === undefined ? "" : `, ${way}`}${room}`;
}

function sourceText({ from, paths, bytes, filled }: Source): string {
  const amount = `${paths} paths, ${bytesText(bytes)}`;
  if (from === null) return `${amount}: no cache is known to have them`;
  return `${amount} from ${from}${filled ? ", which the builder fills first" : ""}`;
}

function rows(plan: Plan): [string, string][] {
  const system = `${nameOf(plan.from)} -> ${nameOf(plan.to)}`;
  const ends = [
    ...plan.pending.map((sentence): [string, string] => ["pending", sentence]),
    ...plan.drift.map((sentence): [string, string] => ["drift", sentence]),
  ];
  const links = linkRows(plan);
  const effect: [string, string][] = plan.effect === null ? [] : [["effect", plan.effect]];
  if (plan.from === plan.to)
    return [
      ["system", `${nameOf(plan.to)} (no change)`],
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
    ...listed(
      "copy",
      [copyText(plan.copy), ...(plan.copy.sources ?? []).map(sourceText)],
      undefined,
    ),
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

function packageText({ name, from, to, bytes }: PackageChange): string {
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
