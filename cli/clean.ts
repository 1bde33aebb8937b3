import { describeConnection } from "../contract/connection.ts";
import type { Difference } from "../providers/nixos/drift.ts";
import type { Settings } from "../settings.ts";
import type { Facts } from "./facts.ts";
import type { Sight } from "./sight.ts";

/** What keeps a host from being exactly what its stack was promoted to, healthy, with nothing that waits. */
export function uncleanOf(sight: Sight, { pin }: Pick<Settings, "pin">): Difference[] {
  const { last, differences, release, since } = sight;
  const told = new Set([...sight.drift, ...sight.pending]);
  const others = sight.notes.filter((note) => !told.has(note));
  const unpinned =
    pin !== undefined && "rev" in pin && release !== null && pin.rev !== release.rev
      ? [
          {
            says: `runs ${release.rev.slice(0, 12)}, and is pinned to ${pin.rev.slice(0, 12)}`,
            since,
          },
        ]
      : [];
  return [
    ...differences,
    ...unpinned,
    ...sight.pending.map((says) => ({ says, since })),
    ...others.map((says) => ({
      says,
      since: says.startsWith("the last transaction") ? (last?.finishedAt ?? null) : null,
    })),
  ];
}

/** What is in the working tree of the builder, and in no commit. */
export async function dirtOf(facts: Facts, { release }: Settings): Promise<Difference[]> {
  if (release.from !== "build") return [];
  const { repo, rev, builder } = release;
  const where = `${repo} on ${describeConnection(builder)}`;
  try {
    const { repository } = await facts.examine(builder, { repo, rev });
    if (repository === null || repository.error !== null)
      return [
        { says: `${where} is no git repository: ${repository?.error ?? "no answer"}`, since: null },
      ];
    const { dirty, dirtyCount } = repository;
    if (dirtyCount === 0) return [];
    const more = dirtyCount > dirty.length ? ", …" : "";
    return [{ says: `${where} is dirty: ${dirty.join(", ")}${more}`, since: null }];
  } catch (error) {
    return [
      { says: `whether ${where} is dirty is not known: ${(error as Error).message}`, since: null },
    ];
  }
}
