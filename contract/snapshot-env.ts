import { known, plainName, type Snapshot } from "./snapshot.ts";

/*
 * The form of a snapshot that operators have from before: lines of `key=value`, which is data and never run. It has less than
 * a snapshot, and names of units with @, - and . as underscores; what it does not tell comes back as `unknown`.
 */

/** Lines of `key=value`, in the order in which operators know them. */
export function exportSnapshot(of: Snapshot): string {
  const { repo } = of;
  const lines: [string, string][] = [
    ["snapshot_version", "1"],
    ["snapshot_created_at", new Date(of.createdAt * 1000).toISOString().replace(".000Z", "Z")],
    ["hostname", of.hostname],
    ["nixos_version", of.nixosVersion],
    ["current_system", of.currentSystem],
    ...(repo === null || repo === "unknown" ? [] : repoLines(repo)),
    ...Object.entries(known(of.components)).flatMap(([name, { path, sha256 }]) =>
      prefixed(`binary_${plainName(name)}`, { path, sha256 }),
    ),
    ...Object.entries(known(of.units)).flatMap(([name, { active, sub, result }]) =>
      prefixed(`service_${plainName(name)}`, { active, substate: sub, result }),
    ),
    ...Object.entries(known(of.health)).flatMap(([name, { state, target }]): [string, string][] => [
      [`health_${plainName(name)}`, state],
      [`health_${plainName(name)}_url`, target],
    ]),
    ...Object.entries(known(of.units)).flatMap(
      ([name, { environmentFiles }]): [string, string][] =>
        environmentFiles.length === 0
          ? []
          : [[`${plainName(name).replace(/_service$/, "")}_env_files`, environmentFiles.join(" ")]],
    ),
  ];
  return lines.map(([key, value]) => `${key}=${oneLine(value)}\n`).join("");
}

function repoLines({ path, head, dirty }: { path: string; head: string; dirty: string }) {
  return prefixed("repo", {
    ...{ path, head },
    head_short: /^[0-9a-f]{40}$/.test(head) ? head.slice(0, 12) : head,
    dirty,
  });
}

function prefixed(prefix: string, values: Record<string, string>): [string, string][] {
  return Object.entries(values).map(([key, value]) => [`${prefix}_${key}`, value]);
}

/** A value has one line. */
function oneLine(value: string): string {
  return value.replaceAll(/\p{Cc}/gu, " ");
}

/** Reads that form. An error names the line. */
export function importSnapshot(text: string): Snapshot {
  const values = parseLines(text);
  const value = (key: string) => values.get(key) ?? "unknown";
  if (value("snapshot_version") !== "1")
    throw new Error(
      `[snapshot_version] is ${JSON.stringify(value("snapshot_version"))}, not 1: this is no snapshot that we can read.`,
    );
  const createdAt = Date.parse(value("snapshot_created_at"));
  if (Number.isNaN(createdAt))
    throw new Error(`[snapshot_created_at] is no time: ${value("snapshot_created_at")}.`);
  return {
    version: 1,
    createdAt: Math.floor(createdAt / 1000),
    hostname: value("hostname"),
    ...{ machineId: "unknown", nixosVersion: value("nixos_version"), nixVersion: "unknown" },
    ...{ kernel: "unknown", generation: "unknown", currentSystem: value("current_system") },
    ...{ bootedSystem: "unknown", profile: "unknown" },
    repo: values.has("repo_path") || values.has("repo_head") ? repoOf(value) : null,
    components: group(values, /^binary_(.+)_(path|sha256)$/, (of) => ({
      ...{ link: "unknown", path: of("path"), sha256: of("sha256") },
    })),
    units: group(values, /^service_(.+)_(active|substate|result)$/, (of, name) => ({
      ...{ active: of("active"), sub: of("substate"), result: of("result") },
      environmentFiles: filesOf(values, name),
    })),
    ...{ failedUnits: "unknown", secrets: "unknown", data: "unknown", disks: "unknown" },
    caches: "unknown",
    health: healthOf(values),
  };
}

function repoOf(value: (key: string) => string) {
  return { path: value("repo_path"), head: value("repo_head"), dirty: value("repo_dirty") };
}

function parseLines(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*?)\r?$/s.exec(line) ?? [];
    if (key === undefined || value === undefined)
      throw new Error(`Line ${index + 1} is not key=value: ${JSON.stringify(line.slice(0, 80))}.`);
    values.set(key, value);
  }
  return values;
}

/** Keys such as `service_NAME_active`, put together by NAME. */
function group<T>(
  values: ReadonlyMap<string, string>,
  pattern: RegExp,
  make: (of: (part: string) => string, name: string) => T,
): Record<string, T> {
  const parts = new Map<string, Map<string, string>>();
  for (const [key, value] of values) {
    const [, name, part] = pattern.exec(key) ?? [];
    if (name === undefined || part === undefined) continue;
    parts.set(name, (parts.get(name) ?? new Map<string, string>()).set(part, value));
  }
  return Object.fromEntries(
    [...parts].map(([name, of]) => [name, make((part) => of.get(part) ?? "unknown", name)]),
  );
}

function filesOf(values: ReadonlyMap<string, string>, unit: string): string[] {
  const files = values.get(`${unit.replace(/_service$/, "")}_env_files`);
  return files === undefined ? [] : files.split(/\s+/).filter(Boolean);
}

/** `health_NAME`, and where it is asked: `health_NAME_url`. */
function healthOf(values: ReadonlyMap<string, string>): Snapshot["health"] {
  const names = [...values.keys()].flatMap((key) => /^health_(.+)_url$/.exec(key)?.[1] ?? []);
  const alone = [...values.keys()].flatMap((key) => /^health_(.+)$/.exec(key)?.[1] ?? []);
  const all = new Set([...names, ...alone.filter((name) => !name.endsWith("_url"))]);
  return Object.fromEntries(
    [...all].map((name) => [
      name,
      {
        state: values.get(`health_${name}`) ?? "unknown",
        target: values.get(`health_${name}_url`) ?? "unknown",
      },
    ]),
  );
}
