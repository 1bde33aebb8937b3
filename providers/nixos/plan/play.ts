import { type Dependencies, type Graph, reach } from "./dependencies.ts";
import type { PlannedHost } from "./planned-host.ts";
import type { Requests } from "./requests.ts";
import { flag, MASKED, type Unit, words } from "./unit-files.ts";

export type Fate = "stop" | "start" | "restart" | "reload";

/** What systemd makes of it, in the order of the phases: stop by the old files; then reload, restart and start by the new. */
export function play(host: PlannedHost, asked: Requests): Map<string, Fate> {
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
  // What runs already is not asked for what it wants; only what was asked for itself is. What a condition keeps from
  // starting is asked all the same.
  const startAll = (units: Iterable<string>) => {
    const asked = new Set(units);
    const pulled = new Set(asked);
    for (let next = socketsFirst(asked); next.length > 0; ) {
      const further = new Set<string>();
      for (const unit of next) {
        const running = live.has(unit);
        start(unit);
        const pulls = running ? asked.has(unit) : live.has(unit) || isSkipped(unit, host);
        if (!pulls) continue;
        for (const other of host.after.conflicts.get(unit) ?? []) stop(other);
        for (const other of host.after.pulls.get(unit) ?? []) further.add(other);
      }
      next = socketsFirst([...further].filter((unit) => !pulled.has(unit)));
      for (const unit of next) pulled.add(unit);
    }
  };
  // What a running unit upholds does not stay down, be it that the switch has just stopped it, or that it is upheld only now.
  const uphold = (by: Graph, mayStart: (unit: string) => boolean) => {
    for (const unit of live)
      for (const other of by.get(unit) ?? []) {
        const isNews = stopped.has(other) || host.before.upheld.get(unit)?.has(other) !== true;
        if (!isNews || live.has(other) || !mayStart(other)) continue;
        live.add(other);
        started.add(other);
      }
  };

  for (const unit of stoppedWith(asked.stop, host.before, live)) stop(unit);
  const was = { wanted: host.old, unmet: new Set<string>(), loaded: host.loaded };
  uphold(host.before.upheld, (unit) => canStart(unit, was, live));
  // What the new files bind to a unit that does not run is stopped as soon as they are read.
  for (const unit of live) if (bindsToStopped(unit, host, live)) stop(unit);
  uphold(host.after.upheld, (unit) => canStart(unit, host, live));
  const refused = new Set<string>();
  const late = [...asked.reload].filter((unit) => !live.has(unit));
  for (const unit of reach(asked.reload, host.after.reloaded))
    if (live.has(unit) && canReload(unit, host)) reloaded.add(unit);
  const restarted = { bound: host.after.bound, stopped: new Map() };
  for (const unit of stoppedWith(asked.restart, restarted, live))
    if (!hasWhatItNeeds(unit, host)) refused.add(unit);
    else if (live.has(unit) || asked.restart.has(unit)) {
      stop(unit);
      start(unit);
    }
  startAll([...asked.restart].filter((unit) => !refused.has(unit)));
  startAll([...asked.start, ...late]);
  uphold(host.after.upheld, (unit) => canStart(unit, host, live));

  for (const unit of refused) if (live.has(unit) && asked.restart.has(unit)) asked.keep.add(unit);
  for (const unit of asked.reload)
    if (!reloaded.has(unit) && !stopped.has(unit)) asked.keep.add(unit);
  const fates = new Map<string, Fate>();
  for (const unit of reloaded) fates.set(unit, "reload");
  for (const unit of stopped) fates.set(unit, started.has(unit) ? "restart" : "stop");
  for (const unit of started) if (!stopped.has(unit)) fates.set(unit, "start");
  return fates;
}

function bindsToStopped(unit: string, host: PlannedHost, live: ReadonlySet<string>): boolean {
  const file = host.wanted.get(unit);
  if (file === undefined || file === MASKED) return false;
  return words(file, "Unit.BindsTo").some(
    (other) => !live.has(other) && (host.wanted.has(other) || !isThere(other, host)),
  );
}

function socketsFirst(units: Iterable<string>): string[] {
  return [...units].sort((a, b) => Number(b.endsWith(".socket")) - Number(a.endsWith(".socket")));
}

/** Systemd looks at conditions last: then it has asked for all that the unit needs and wants. */
function isSkipped(unit: string, host: PlannedHost): boolean {
  return host.unmet.has(unit) && hasWhatItNeeds(unit, host);
}

function canStart(
  unit: string,
  { wanted, unmet, loaded }: Pick<PlannedHost, "wanted" | "unmet" | "loaded">,
  live: ReadonlySet<string>,
): boolean {
  const file = wanted.get(unit);
  if (file === undefined || file === MASKED || unmet.has(unit)) return false;
  const triggered = triggeredBy(unit, file);
  if (triggered !== undefined && !isThere(triggered, { wanted, loaded })) return false;
  // A socket is refused while its service runs without it.
  if (unit.endsWith(".socket") && live.has(triggered ?? "")) return false;
  return hasWhatItNeeds(unit, { wanted, loaded });
}

/** The unit that a socket, a timer or a path starts. */
function triggeredBy(unit: string, file: Unit): string | undefined {
  const kind = /\.(socket|timer|path)$/.exec(unit)?.[1];
  if (kind === undefined) return undefined;
  const own = { socket: "Socket.Service", timer: "Timer.Unit", path: "Path.Unit" }[kind] ?? "";
  // With Accept=yes each connection has an instance of its own.
  if (flag(file, "Socket.Accept", false)) return undefined;
  return words(file, own).at(-1) ?? unit.replace(/\.[a-z]+$/, ".service");
}

/** Systemd starts nothing that requires what it cannot load, however far away. */
function hasWhatItNeeds(
  unit: string,
  host: Pick<PlannedHost, "wanted" | "loaded">,
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
function isThere(
  unit: string,
  { wanted, loaded }: Pick<PlannedHost, "wanted" | "loaded">,
): boolean {
  const found = wanted.get(unit);
  if (found !== undefined) return found !== MASKED;
  return loaded.has(unit) || !/\.(service|socket|timer|path)$/.test(unit) || unit.includes("@");
}

/** Systemd refuses to reload what has no way to. */
function canReload(unit: string, { wanted }: PlannedHost): boolean {
  const file = wanted.get(unit);
  if (file === undefined || file === MASKED) return false;
  if (!unit.endsWith(".service")) return unit.endsWith(".mount");
  return (
    words(file, "Service.ExecReload").length > 0 ||
    file.get("Service.Type")?.at(-1) === "notify-reload"
  );
}

/** These, and what runs and goes with them. What does not run passes nothing on. */
function stoppedWith(
  units: Iterable<string>,
  { bound, stopped }: Pick<Dependencies, "bound" | "stopped">,
  live: ReadonlySet<string>,
): Set<string> {
  const found = new Set(units);
  for (const unit of found)
    for (const graph of [bound, stopped])
      for (const next of graph.get(unit) ?? []) if (live.has(next)) found.add(next);
  return found;
}
