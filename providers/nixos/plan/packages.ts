import { packageOf } from "../../../contract/store-path.ts";
import { remembering } from "./remembering.ts";

/** One package by name: its versions before and after, and how its bytes change. */
export interface PackageChange {
  readonly name: string;
  readonly from: string[];
  readonly to: string[];
  /** NAR bytes after minus before. */
  readonly bytes: number;
}

export type Closure = readonly (readonly [path: string, narSize: number])[];

const NOISE_BYTES = 8 * 1024;

/**
 * What `nix store diff-closures` shows, for stores that are not here: packages whose versions
 * differ, or whose size changes by more than 8 KiB. Small things without a version, such as unit
 * files, are left out: the plan has rows of its own for them.
 */
export function packageChanges(before: Closure, after: Closure): PackageChange[] {
  const old = byName(before);
  const wanted = byName(after);
  const names = [...new Set([...old.keys(), ...wanted.keys()])].sort();
  return names.flatMap((name) => {
    const from = old.get(name) ?? EMPTY;
    const to = wanted.get(name) ?? EMPTY;
    const bytes = to.bytes - from.bytes;
    const same = plainVersions(from) === plainVersions(to);
    return same && Math.abs(bytes) <= NOISE_BYTES
      ? []
      : [{ name, from: from.versions, to: to.versions, bytes }];
  });
}

/** What a closure has of a name. */
export interface Package {
  readonly versions: string[];
  readonly bytes: number;
}

function plainVersions({ versions }: Package): string {
  return versions.filter((version) => version !== NO_VERSION).join(" ");
}

const NO_VERSION = "ε"; // as Nix writes it
const EMPTY: Package = { versions: [], bytes: 0 };

export function byName(closure: Closure): Map<string, Package> {
  const packages = new Map<string, { versions: Set<string>; bytes: number }>();
  for (const [path, size] of closure) {
    const { name, version } = split(path);
    const entry = packages.get(name) ?? { versions: new Set(), bytes: 0 };
    entry.versions.add(version === "" ? NO_VERSION : version);
    entry.bytes += size;
    packages.set(name, entry);
  }
  return new Map(
    [...packages].map(([name, { versions, bytes }]) => [
      name,
      { versions: [...versions].sort(), bytes },
    ]),
  );
}

/** Two closures, and those of a fleet, have most paths in common. */
const split = remembering(packageOf, 20_000);
