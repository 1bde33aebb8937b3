import { known, plainName, type Snapshot } from "./snapshot.ts";

/**
 * What a difference is about. `release`: other programs. `setup`: what was set up beside the release, such as its secrets and
 * caches. `behaviour`: what became of it. `blind`: at least one side could not be told.
 */
type About = "release" | "setup" | "behaviour" | "blind";

export interface Difference {
  readonly about: About;
  readonly what: string;
  readonly a: string;
  readonly b: string;
}

export interface SnapshotDiff {
  readonly verdict: "alike" | "release-drift" | "same-binaries" | "undecided";
  readonly sentence: string;
  readonly differences: Difference[];
}

/** Compares two hosts, or one host at two times, by what it means for whoever looks for the reason of a difference. */
export function diffSnapshots(a: Snapshot, b: Snapshot): SnapshotDiff {
  const differences = [
    ...components(a, b),
    ...systems(a, b),
    ...repositories(a, b),
    ...secrets(a, b),
    ...caches(a, b),
    ...units(a, b),
    ...health(a, b),
  ];
  return { ...judge(differences, a, b), differences };
}

function judge(
  differences: readonly Difference[],
  a: Snapshot,
  b: Snapshot,
): Pick<SnapshotDiff, "verdict" | "sentence"> {
  const of = (about: About) =>
    differences.filter((difference) => difference.about === about).map(({ what }) => what);
  const drift = of("release");
  if (drift.length > 0)
    return { verdict: "release-drift", sentence: `Release drift: ${drift.join(", ")}.` };
  const blind = of("blind");
  if (blind.length > 0)
    return {
      verdict: "undecided",
      sentence: `Whether both run the same binaries cannot be told: ${blind.join(", ")} could not be read.`,
    };
  const rest = [...of("behaviour"), ...of("setup")];
  if (rest.length === 0) return { verdict: "alike", sentence: "Both run the same, and alike." };
  const where = [...new Set([...Object.keys(known(a.data)), ...Object.keys(known(b.data))])];
  return {
    verdict: "same-binaries",
    sentence:
      `The same binaries, but not alike: ${rest.join(", ")}. ` +
      `Look at the data${where.length > 0 ? ` (${where.join(", ")})` : ""} and at the secrets.`,
  };
}

/** A hash that could not be taken. What is absent, or no program, is known to be so. */
const WORDS = ["unknown", "sha256sum-unavailable"];

function components(a: Snapshot, b: Snapshot): Difference[] {
  if (a.components === "unknown" || b.components === "unknown")
    return [{ about: "blind", what: "components", a: told(a.components), b: told(b.components) }];
  return pairs(byPlainName(a.components), byPlainName(b.components)).flatMap(
    ([name, one, other]) => {
      const [x, y] = [one?.sha256 ?? "absent", other?.sha256 ?? "absent"];
      const blind = [x, y].some((sum) => WORDS.includes(sum));
      if (!blind && x === y) return [];
      return [{ about: blind ? "blind" : "release", what: `component ${name}`, a: x, b: y }];
    },
  );
}

/** Each host has a system of its own, so that only one and the same host is compared by its path. */
function systems(a: Snapshot, b: Snapshot): Difference[] {
  const sameHost = a.hostname === b.hostname && a.machineId === b.machineId;
  return [
    ...(sameHost ? compare("release", "system", a.currentSystem, b.currentSystem) : []),
    ...(sameHost ? compare("setup", "boot default", a.profile, b.profile) : []),
    ...compare("release", "NixOS version", a.nixosVersion, b.nixosVersion),
    ...compare("setup", "kernel", a.kernel, b.kernel),
    ...compare("setup", "Nix version", a.nixVersion, b.nixVersion),
  ];
}

function repositories(a: Snapshot, b: Snapshot): Difference[] {
  if (a.repo === null || b.repo === null || a.repo === "unknown" || b.repo === "unknown") return [];
  return [
    ...compare("setup", "checkout", a.repo.head, b.repo.head),
    ...compare("setup", "changes in the checkout", a.repo.dirty, b.repo.dirty),
  ];
}

function secrets(a: Snapshot, b: Snapshot): Difference[] {
  const text = (file?: { state: string; owner: string; mode: string }) =>
    file === undefined
      ? "not asked for"
      : file.state === "present"
        ? `${file.owner} ${file.mode}`
        : file.state;
  return pairs(known(a.secrets), known(b.secrets)).flatMap(([path, one, other]) =>
    compare("setup", `secret ${path}`, text(one), text(other)),
  );
}

function caches(a: Snapshot, b: Snapshot): Difference[] {
  if (a.caches === "unknown" || b.caches === "unknown") return [];
  const text = (list: readonly string[] | "unknown") =>
    list === "unknown" ? list : [...list].sort().join(" ");
  return [
    ...compare("setup", "substituters", text(a.caches.substituters), text(b.caches.substituters)),
    ...compare(
      ...(["setup", "trusted public keys"] as const),
      text(a.caches.trustedPublicKeys),
      text(b.caches.trustedPublicKeys),
    ),
  ];
}

/** By the name as the `key=value` form has it, in which @, - and . are underscores. */
function units(a: Snapshot, b: Snapshot): Difference[] {
  const text = (unit?: { active: string; sub: string; result: string }) =>
    unit === undefined ? "not asked for" : `${unit.active} (${unit.sub}), ${unit.result}`;
  const failed = (one: Snapshot) =>
    one.failedUnits === "unknown" ? "unknown" : [...one.failedUnits].sort().join(", ");
  return [
    ...pairs(byPlainName(known(a.units)), byPlainName(known(b.units))).flatMap(
      ([name, one, other]) => compare("behaviour", `unit ${name}`, text(one), text(other)),
    ),
    ...compare("behaviour", "failed units", failed(a), failed(b)),
  ];
}

function health(a: Snapshot, b: Snapshot): Difference[] {
  return pairs(byPlainName(known(a.health)), byPlainName(known(b.health))).flatMap(
    ([name, one, other]) =>
      compare("behaviour", `health of ${name}`, one?.state ?? "unknown", other?.state ?? "unknown"),
  );
}

function byPlainName<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [plainName(name), value]),
  );
}

function pairs<T>(
  a: Record<string, T>,
  b: Record<string, T>,
): [string, T | undefined, T | undefined][] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return names.map((name) => [name, a[name], b[name]]);
}

/** What one side cannot tell is no difference, apart from what decides about the binaries. */
function compare(about: About, what: string, a: string, b: string): Difference[] {
  const asked = ![a, b].some((text) => text === "unknown" || text === "not asked for");
  return asked && a !== b ? [{ about, what, a, b }] : [];
}

function told(part: object | "unknown"): string {
  return part === "unknown" ? part : "known";
}
