// A service with what belongs to it: its socket, its timer, its path, its instances, its target. Or a mount.
import type { UnitTree } from "../../providers/nixos/plan/unit-files.ts";
import type { Random } from "./random.ts";

type Options = Readonly<Record<string, string>>;

export interface Family {
  readonly name: string;
  readonly kind: "service" | "socket" | "timer" | "path" | "template" | "mount";
  readonly type: "simple" | "oneshot" | "stays";
  /** Who wants it. */
  readonly wantedBy: string | undefined;
  /** Options of [Unit], also X- ones. */
  readonly unit: Options;
  /** Options of [Service] or [Mount]. */
  readonly options: Options;
  /** Of the socket, timer or path. */
  readonly trigger: Options;
  readonly dropIn: Options | undefined;
  readonly masked: boolean;
  /** Of a template: wanted ones, and those with a drop-in of their own. */
  readonly wantedInstances: readonly string[];
  readonly dropInInstances: Readonly<Record<string, Options>>;
  readonly install: boolean;
}

export function born(number: number, random: Random): Family {
  const kinds = ["service", "service", "service", "service", "socket", "timer"] as const;
  const kind = random.one([...kinds, "path", "template", "template", "mount"] as const);
  const name = kind === "mount" ? `mnt-p${number}` : `p-${number}`;
  return {
    ...{ name, kind, masked: false, dropIn: undefined, install: false },
    type: kind === "service" ? random.one(["simple", "simple", "oneshot", "stays"]) : "simple",
    wantedBy: wanter(name, kind, random),
    unit: random.chance(0.1) ? { ConditionPathExists: "/nowhere" } : {},
    options: kind === "mount" ? MOUNT : {},
    trigger: triggerOf(kind, name, 1),
    wantedInstances: kind === "template" ? ["a"] : [],
    dropInInstances: kind === "template" ? { b: { Nice: "1" } } : {},
  };
}

const MOUNT = { What: "tmpfs", Type: "tmpfs", Options: "size=1m" };

function wanter(name: string, kind: Family["kind"], random: Random): string | undefined {
  if (kind === "template") return undefined;
  if (kind === "service" && random.chance(0.2)) return `${name}.target`;
  return random.chance(kind === "service" || kind === "mount" ? 0.8 : 0.2)
    ? "multi-user.target"
    : undefined;
}

export function triggerOf(kind: Family["kind"], name: string, version: number): Options {
  switch (kind) {
    case "socket":
      return { ListenStream: `/run/${name}-${version}` };
    case "timer":
      return { OnCalendar: `2099-01-${String(1 + (version % 28)).padStart(2, "0")}` };
    case "path":
      return { PathExists: `/nowhere/${name}-${version}` };
    default:
      return {};
  }
}

/** Every unit of it that somebody can start or stop. */
export function instancesOf({ name, kind, wantedInstances, dropInInstances }: Family): string[] {
  if (kind === "mount") return [`${name}.mount`];
  if (kind === "template") {
    const named = [...wantedInstances, ...Object.keys(dropInInstances), "hand"];
    return named.map((instance) => `${name}@${instance}.service`);
  }
  const trigger = kind === "service" ? [] : [`${name}.${kind}`];
  return [`${name}.service`, ...trigger];
}

export function filesOf(family: Family): UnitTree {
  const { name, kind, wantedBy, masked, dropIn, trigger } = family;
  const main =
    kind === "mount" ? `${name}.mount` : `${name}${kind === "template" ? "@" : ""}.service`;
  const files: Record<string, string> = { [main]: masked ? "-> /dev/null" : mainText(family) };
  if (wantedBy !== undefined) files[`${wantedBy}.wants/${main}`] = `-> ../${main}`;
  if (wantedBy === `${name}.target`) {
    files[wantedBy] = "[Unit]\nDescription=A target of its own\n";
    files[`multi-user.target.wants/${wantedBy}`] = `-> ../${wantedBy}`;
  }
  if (dropIn !== undefined) files[`${main}.d/overrides.conf`] = section("Service", dropIn);
  if (kind === "socket" || kind === "timer" || kind === "path") {
    const unit = `${name}.${kind}`;
    files[unit] = `${section("Unit", UNLIMITED)}${section(capitalised(kind), trigger)}`;
    files[`${kind}s.target.wants/${unit}`] = `-> ../${unit}`;
  }
  for (const instance of family.wantedInstances)
    files[`multi-user.target.wants/${name}@${instance}.service`] = `-> ../${main}`;
  for (const [instance, options] of Object.entries(family.dropInInstances))
    files[`${name}@${instance}.service.d/overrides.conf`] = section("Service", options);
  return files;
}

function mainText({ name, kind, type, unit, options, install }: Family): string {
  const head = section("Unit", { ...UNLIMITED, ...unit });
  const tail = install ? section("Install", { WantedBy: "multi-user.target" }) : "";
  if (kind === "mount")
    return `${head}${section("Mount", { Where: `/${name.replace("-", "/")}`, ...options })}${tail}`;
  const run =
    type === "simple"
      ? { ExecStart: "/usr/bin/sleep infinity" }
      : { Type: "oneshot", ExecStart: "/usr/bin/true" };
  const stays = type === "stays" ? { RemainAfterExit: "true" } : {};
  return `${head}${section("Service", { ...run, ...stays, ...options })}${tail}`;
}

/** Switches follow one another faster than systemd lets a unit start by default. */
const UNLIMITED = { StartLimitIntervalSec: "0" };

function section(name: string, options: Options): string {
  const lines = Object.entries(options).map(([key, value]) => `${key}=${value}\n`);
  return `[${name}]\n${lines.join("")}`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
