import { aliased, MASKED, type UnitFile, type UnitTree, words } from "./unit-files.ts";

export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** What systemd does to other units when one is started, stopped, restarted or reloaded. */
export interface Dependencies {
  /** Start with it. */
  readonly pulls: Graph;
  /** Are started whenever it runs and they do not. */
  readonly upheld: Graph;
  /** Stop with it, and are restarted with it. */
  readonly bound: Graph;
  /** Stop with it. */
  readonly stopped: Graph;
  /** Are reloaded with it. */
  readonly reloaded: Graph;
  /** Are stopped when it starts. */
  readonly conflicts: Graph;
}

/** Of the units of one tree, as its files say. What systemd adds by itself concerns targets alone. */
export function dependenciesOf(units: ReadonlyMap<string, UnitFile>, tree: UnitTree): Dependencies {
  const graphs = {
    ...{ pulls: new Map<string, Set<string>>(), bound: new Map<string, Set<string>>() },
    ...{ stopped: new Map<string, Set<string>>(), reloaded: new Map<string, Set<string>>() },
    ...{ conflicts: new Map<string, Set<string>>(), upheld: new Map<string, Set<string>>() },
  };
  const add = (graph: Map<string, Set<string>>, from: string, to: string) => {
    const [known, other] = [aliased(from, tree), aliased(to, tree)];
    graph.set(known, (graph.get(known) ?? new Set()).add(other));
  };
  for (const [unit, file] of units) {
    if (file === MASKED) continue;
    const named = (...keys: string[]) =>
      keys.flatMap((key) => words(file, `Unit.${key}`)).map((name) => specified(name, unit));
    for (const other of named("Requires", "BindsTo", "Wants", "Upholds"))
      add(graphs.pulls, unit, other);
    for (const other of named("Upholds")) add(graphs.upheld, unit, other);
    for (const other of words(file, "Service.Sockets")) add(graphs.pulls, unit, other);
    for (const other of named("Requires", "Requisite", "BindsTo", "PartOf"))
      add(graphs.bound, other, unit);
    for (const other of named("PropagatesStopTo")) add(graphs.stopped, unit, other);
    for (const other of named("StopPropagatedFrom")) add(graphs.stopped, other, unit);
    for (const other of named("PropagatesReloadTo")) add(graphs.reloaded, unit, other);
    for (const other of named("ReloadPropagatedFrom")) add(graphs.reloaded, other, unit);
    for (const other of named("Conflicts")) {
      add(graphs.conflicts, unit, other);
      add(graphs.conflicts, other, unit);
    }
  }
  for (const file of Object.keys(tree)) {
    const [, owner = "", kind = "", unit = ""] =
      /^([^/]+)\.(wants|requires|upholds)\/([^/]+)$/.exec(file) ?? [];
    if (kind !== "") add(graphs.pulls, owner, unit);
    if (kind === "upholds") add(graphs.upheld, owner, unit);
    if (kind === "requires") add(graphs.bound, unit, owner);
  }
  return graphs;
}

/** Everything that can be reached from these, themselves among them. */
export function reach(from: Iterable<string>, graph: Graph): Set<string> {
  const found = new Set(from);
  for (const unit of found) for (const next of graph.get(unit) ?? []) found.add(next);
  return found;
}

/** `%i`, `%I`, `%p` and `%n` in the name of a dependency. */
function specified(name: string, unit: string): string {
  if (!name.includes("%")) return name;
  const [prefix = "", rest = ""] = unit.split("@");
  const instance = rest.replace(/\.[a-z]+$/, "");
  return name
    .replaceAll(/%[iI]/g, () => instance)
    .replaceAll("%p", () => prefix.replace(/\.[a-z]+$/, ""))
    .replaceAll("%n", () => unit);
}
