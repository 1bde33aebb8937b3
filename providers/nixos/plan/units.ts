import { type Dependencies, dependenciesOf, reach } from "./dependencies.ts";
import { demandOf } from "./unit-comparison.ts";
import {
  flag,
  instancesOf,
  isTarget,
  lostDropIns,
  MASKED,
  type Unit,
  type UnitFile,
  type UnitTree,
  unitsOf,
  words,
} from "./unit-files.ts";

export type { UnitTree } from "./unit-files.ts";

/** What a switch will do to units, each named once. */
export interface UnitChanges {
  readonly stop: string[];
  readonly start: string[];
  readonly restart: string[];
  readonly reload: string[];
  /** Changed, and kept running as they are. */
  readonly keep: string[];
}

/**
 * The state of each unit that systemd has loaded; others are inactive. Without it, all units of the old tree are taken
 * for active. `unmet`: inactive, because a condition of it was not met when it was last to start.
 */
export type ActiveUnits = Readonly<Record<string, string>>;

/**
 * Predicts a switch from the two unit trees and what runs: what switch-to-configuration asks of systemd, by its rules,
 * and then what systemd does about it, by the dependencies of the units.
 */
export function unitChanges(before: UnitTree, after: UnitTree, active?: ActiveUnits): UnitChanges {
  const host = new Host(before, after, active);
  const asked = requestsOf(host);
  const played = play(host, asked);
  const changes: UnitChanges = { stop: [], start: [], restart: [], reload: [], keep: [] };
  for (const unit of [...new Set([...played.keys(), ...asked.keep])].sort()) {
    const fate = played.get(unit) ?? "keep";
    // A target has no process; only a new one says something.
    if (!isTarget(unit) || (fate === "start" && !host.old.has(unit))) changes[fate].push(unit);
  }
  return changes;
}

class Host {
  readonly old: ReadonlyMap<string, UnitFile>;
  readonly wanted: ReadonlyMap<string, UnitFile>;
  readonly before: Dependencies;
  readonly after: Dependencies;
  /** What runs now. Starting over and over is running, too. */
  readonly running: ReadonlySet<string>;
  readonly unmet: ReadonlySet<string>;
  /** Known to systemd, whatever its state. */
  readonly loaded: ReadonlySet<string>;

  constructor(before: UnitTree, after: UnitTree, active: ActiveUnits | undefined) {
    const there = Object.keys(active ?? {});
    const inState = (...states: string[]) =>
      new Set(there.filter((unit) => states.includes(active?.[unit] ?? "")));
    const instances = [...instancesOf(before), ...instancesOf(after), ...there];
    this.old = unitsOf(before, instances);
    this.wanted = unitsOf(
      after,
      instances.filter((unit) => !lostDropIns(unit, before, after)),
    );
    this.running =
      active === undefined
        ? new Set([...this.old].filter(([, file]) => file !== MASKED).map(([unit]) => unit))
        : inState("active", "activating", "reloading");
    const { old, wanted } = this;
    this.unmet = new Set([...inState("unmet")].filter((unit) => sameConditions(unit, old, wanted)));
    this.loaded = new Set(there);
    this.before = dependenciesOf(this.old, before);
    this.after = dependenciesOf(this.wanted, after);
  }
}

function sameConditions(unit: string, ...[old, wanted]: ReadonlyMap<string, UnitFile>[]): boolean {
  const [before, after] = [old?.get(unit), wanted?.get(unit)].map((file) =>
    file === undefined || file === MASKED
      ? ""
      : JSON.stringify([...file].filter(([key]) => key.startsWith("Unit.Condition"))),
  );
  return before === after;
}

/** What switch-to-configuration asks of systemd, phase by phase. */
interface Requests {
  readonly stop: Set<string>;
  readonly reload: Set<string>;
  readonly restart: Set<string>;
  readonly start: Set<string>;
  /** Changed, and nothing is asked. */
  readonly keep: Set<string>;
}

function requestsOf({ old, wanted, running }: Host): Requests {
  const asked: Requests = {
    ...{ stop: new Set(), reload: new Set(), restart: new Set() },
    ...{ start: new Set(), keep: new Set() },
  };
  for (const unit of running) {
    const [file, will] = [old.get(unit), wanted.get(unit)];
    if (file === undefined) continue;
    const was: Unit = file === MASKED ? new Map() : file;
    if (will === undefined || will === MASKED) {
      if (!flag(was, "Unit.X-StopOnRemoval", true)) continue;
      // It is asked, and systemd refuses.
      asked[flag(was, "Unit.RefuseManualStop", false) ? "keep" : "stop"].add(unit);
    } else if (isTarget(unit)) askOfTarget(unit, will, asked);
    else {
      const demand = demandOf(unit, was, will);
      if (demand === "restart") restart(unit, will, { wanted, running, asked });
      else if (demand !== undefined) asked[demand].add(unit);
    }
  }
  return asked;
}

/** Active targets are started again, which starts what they want and does not run. */
function askOfTarget(unit: string, file: Unit, asked: Requests): void {
  const manual = ["RefuseManualStart", "X-OnlyManualStart"];
  const sleeps = /^(suspend|hibernate|hybrid-sleep)\.target$/.test(unit);
  if (!sleeps && !manual.some((option) => flag(file, `Unit.${option}`, false)))
    asked.start.add(unit);
  if (flag(file, "Unit.X-StopOnReconfiguration", false)) asked.stop.add(unit);
}

/** A service is stopped by its old text and started by its new one; one behind sockets comes back by the next connection. */
function restart(
  unit: string,
  file: Unit,
  { wanted, running, asked }: Pick<Host, "wanted" | "running"> & { asked: Requests },
): void {
  if (!unit.endsWith(".service") || !flag(file, "Service.X-StopIfChanged", true)) {
    asked.restart.add(unit);
    return;
  }
  asked.stop.add(unit);
  const named = words(file, "Service.Sockets");
  const sockets = named.length > 0 ? named : [unit.replace(/(@.*)?\.service$/, ".socket")];
  const there = sockets.filter((socket) => wanted.has(socket));
  for (const socket of sockets.filter((name) => running.has(name))) {
    asked.stop.add(socket);
    if (there.includes(socket)) asked.start.add(socket);
  }
  if (there.length === 0 || flag(file, "Service.X-NotSocketActivated", false))
    asked.start.add(unit);
}

type Fate = Exclude<keyof UnitChanges, "keep">;

/** What systemd makes of it, in the order of the phases: stop by the old files; then reload, restart and start by the new. */
function play(host: Host, asked: Requests): Map<string, Fate> {
  const live = new Set(host.running);
  const [stopped, started, reloaded] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const stop = (unit: string) => {
    if (live.delete(unit)) stopped.add(unit);
  };
  const start = (unit: string) => {
    if (live.has(unit) || !canStart(unit, host, live)) return;
    live.add(unit);
    started.add(unit);
  };
  const startAll = (units: Iterable<string>) => {
    // What runs already is not asked for what it wants; only what was asked for itself is.
    const pulled = new Set(units);
    const asked = new Set(pulled);
    for (const unit of pulled) {
      const running = live.has(unit);
      start(unit);
      if (running ? !asked.has(unit) : !live.has(unit)) continue;
      for (const other of host.after.conflicts.get(unit) ?? []) stop(other);
      for (const other of socketsFirst(host.after.pulls.get(unit) ?? [])) pulled.add(other);
    }
  };

  for (const unit of stoppedWith(asked.stop, host.before)) stop(unit);
  const late = [...asked.reload].filter((unit) => !live.has(unit));
  for (const unit of reach(asked.reload, host.after.reloaded))
    if (live.has(unit) && canReload(unit, host)) reloaded.add(unit);
  for (const unit of stoppedWith(asked.restart, { bound: host.after.bound, stopped: new Map() }))
    if (live.has(unit) || asked.restart.has(unit)) {
      stop(unit);
      start(unit);
    }
  startAll(asked.restart);
  startAll(socketsFirst([...asked.start, ...late]));

  for (const unit of asked.reload)
    if (!reloaded.has(unit) && !stopped.has(unit)) asked.keep.add(unit);
  const fates = new Map<string, Fate>();
  for (const unit of reloaded) fates.set(unit, "reload");
  for (const unit of stopped) fates.set(unit, started.has(unit) ? "restart" : "stop");
  for (const unit of started) if (!stopped.has(unit)) fates.set(unit, "start");
  return fates;
}

function socketsFirst(units: Iterable<string>): string[] {
  return [...units].sort((a, b) => Number(b.endsWith(".socket")) - Number(a.endsWith(".socket")));
}

function canStart(
  unit: string,
  { wanted, unmet, loaded }: Host,
  live: ReadonlySet<string>,
): boolean {
  const file = wanted.get(unit);
  if (file === undefined || file === MASKED || unmet.has(unit)) return false;
  // A socket is refused without its service, and while that runs without it.
  const service = words(file, "Socket.Service").at(-1) ?? unit.replace(/\.socket$/, ".service");
  if (unit.endsWith(".socket") && (live.has(service) || !isThere(service, { wanted, loaded })))
    return false;
  return hasWhatItNeeds(unit, { wanted, loaded });
}

/** Systemd starts nothing that requires what it cannot load, however far away. */
function hasWhatItNeeds(
  unit: string,
  host: Pick<Host, "wanted" | "loaded">,
  asked: ReadonlySet<string> = new Set(),
): boolean {
  const file = host.wanted.get(unit);
  if (file === undefined || file === MASKED || asked.has(unit)) return isThere(unit, host);
  const further = new Set([...asked, unit]);
  return ["Unit.Requires", "Unit.BindsTo"]
    .flatMap((key) => words(file, key))
    .every((other) => hasWhatItNeeds(other, host, further));
}

/** What is neither of the system nor known to systemd may still be made by a generator, or be a device. */
function isThere(unit: string, { wanted, loaded }: Pick<Host, "wanted" | "loaded">): boolean {
  const found = wanted.get(unit);
  if (found !== undefined) return found !== MASKED;
  return loaded.has(unit) || !/\.(service|socket|timer|path)$/.test(unit) || unit.includes("@");
}

/** Systemd refuses to reload what has no way to. */
function canReload(unit: string, { wanted }: Host): boolean {
  const file = wanted.get(unit);
  if (file === undefined || file === MASKED) return false;
  if (!unit.endsWith(".service")) return unit.endsWith(".mount");
  return (
    words(file, "Service.ExecReload").length > 0 ||
    file.get("Service.Type")?.at(-1) === "notify-reload"
  );
}

function stoppedWith(
  units: Iterable<string>,
  { bound, stopped }: Pick<Dependencies, "bound" | "stopped">,
): Set<string> {
  const found = new Set(units);
  for (const unit of found)
    for (const graph of [bound, stopped]) for (const next of graph.get(unit) ?? []) found.add(next);
  return found;
}
