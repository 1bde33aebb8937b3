import type { PlannedHost } from "./planned-host.ts";
import { demandOf } from "./unit-comparison.ts";
import { flag, isTarget, MASKED, type Unit, words } from "./unit-files.ts";

/** What switch-to-configuration asks of systemd, phase by phase. */
export interface Requests {
  readonly stop: Set<string>;
  readonly reload: Set<string>;
  readonly restart: Set<string>;
  readonly start: Set<string>;
  /** Changed, and nothing is asked. */
  readonly keep: Set<string>;
}

export function requestsOf({ old, wanted, running }: PlannedHost): Requests {
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
      if (demand === "restart" && isRefused(unit, was, will)) asked.keep.add(unit);
      else if (demand === "restart") restart(unit, will, { wanted, running, asked });
      else if (demand !== undefined) asked[demand].add(unit);
    }
  }
  return asked;
}

/** Systemd refuses to stop it by the file that it knows then: the old one where it is stopped first, else the new one. */
function isRefused(unit: string, was: Unit, will: Unit): boolean {
  return flag(stopsFirst(unit, will) ? was : will, "Unit.RefuseManualStop", false);
}

function stopsFirst(unit: string, file: Unit): boolean {
  return unit.endsWith(".service") && flag(file, "Service.X-StopIfChanged", true);
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
  { wanted, running, asked }: Pick<PlannedHost, "wanted" | "running"> & { asked: Requests },
): void {
  if (!stopsFirst(unit, file)) {
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
