import { flag, type Unit } from "./unit-files.ts";

/** What a switch wants of a running unit whose files differ. `keep`: it is left running as it is. */
export type Demand = "restart" | "reload" | "keep";

/** By the rules of switch-to-configuration; undefined: nothing that concerns what runs. */
export function demandOf(unit: string, before: Unit, after: Unit): Demand | undefined {
  const changed = differingKeys(before, after);
  if (changed.length === 0) return undefined;
  if (changed.every((key) => RELOADING.has(key))) return "reload";
  if (/\.(socket|path|slice)$/.test(unit)) return undefined;
  if (unit.endsWith(".mount"))
    return unit === "-.mount" || unit === "nix.mount" ? "reload" : "restart";
  if (flag(after, "Service.X-ReloadIfChanged", false)) return "reload";
  if (
    !flag(after, "Service.X-RestartIfChanged", true) ||
    flag(after, "Unit.RefuseManualStop", false) ||
    flag(after, "Unit.X-OnlyManualStart", false)
  )
    return "keep";
  return "restart";
}

// Only these differ: the running process is told, not replaced.
const RELOADING = new Set(["Unit.X-Reload-Triggers", "Service.ExecReload", "Mount.Options"]);
// Say nothing about what runs.
const IGNORED = new Set(
  [
    ...["Description", "Documentation", "OnFailure", "OnSuccess", "OnFailureJobMode"],
    ...["IgnoreOnIsolate", "StopWhenUnneeded", "RefuseManualStart", "RefuseManualStop"],
    ...["AllowIsolate", "CollectMode", "SourcePath"],
  ].map((key) => `Unit.${key}`),
);
// Nothing is left to reload with, or for.
const HARMLESS_IF_GONE = new Set(["Unit.X-Reload-Triggers", "Service.ExecReload"]);

function differingKeys(before: Unit, after: Unit): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (key) =>
      !IGNORED.has(key) &&
      !key.startsWith("Install.") &&
      (after.has(key) || !HARMLESS_IF_GONE.has(key)) &&
      (before.get(key) ?? []).join("\0") !== (after.get(key) ?? []).join("\0"),
  );
}
