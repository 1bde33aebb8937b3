// What can become of a family from one release to the next.
import { type Family, triggerOf } from "./families.ts";
import type { Random } from "./random.ts";

export interface Change {
  readonly rule: string;
  /** Undefined: it does not fit this family. */
  readonly apply: (family: Family, random: Random) => Family | undefined;
}

const PLAIN: readonly string[] = ["service", "socket", "timer", "path", "template"];

const option = (rule: string, key: string, values: readonly string[]): Change =>
  change(rule, PLAIN, (family, random) => ({
    ...family,
    options: toggled(family.options, key, values, random),
  }));

const inUnit = (rule: string, key: string, values: readonly string[]): Change =>
  change(rule, [...PLAIN, "mount"], (family, random) => ({
    ...family,
    unit: toggled(family.unit, key, values, random),
  }));

const VERSIONS = ["1", "2", "3", "4", "5", "6", "7", "8"];

export const CHANGES: readonly Change[] = [
  ...[1, 2, 3].map(() =>
    option(
      "ExecStart",
      "ExecStartPre",
      VERSIONS.map((version) => `/usr/bin/env V=${version} /usr/bin/true`),
    ),
  ),
  option(
    "Environment",
    "Environment",
    VERSIONS.map((version) => `V=${version}`),
  ),
  option("restartIfChanged=false", "X-RestartIfChanged", ["false"]),
  option("stopIfChanged=false", "X-StopIfChanged", ["false"]),
  option("reloadIfChanged", "X-ReloadIfChanged", ["true"]),
  option("not socket activated", "X-NotSocketActivated", ["true"]),
  option(
    "ExecReload",
    "ExecReload",
    VERSIONS.map((version) => `/usr/bin/env V=${version} /usr/bin/true`),
  ),
  inUnit("restart triggers", "X-Restart-Triggers", VERSIONS),
  inUnit("reload triggers", "X-Reload-Triggers", VERSIONS),
  inUnit("Description", "Description", VERSIONS),
  inUnit("Documentation", "Documentation", ["man:true(1)", "man:sleep(1)"]),
  inUnit("OnlyManualStart", "X-OnlyManualStart", ["true"]),
  inUnit("RefuseManualStop", "RefuseManualStop", ["true"]),
  inUnit("StopOnRemoval=false", "X-StopOnRemoval", ["false"]),
  inUnit("OnFailure", "OnFailure", ["p-nobody.service"]),
  inUnit("condition", "ConditionPathExists", ["/nowhere", "/usr"]),
  change("drop-in", PLAIN, (family, random) => ({
    ...family,
    dropIn: random.chance(0.3) ? undefined : { Nice: random.one(VERSIONS) },
  })),
  change("masked", PLAIN, (family) => ({ ...family, masked: !family.masked })),
  change("wanted or not", ["service", "mount"], (family) => ({
    ...family,
    wantedBy: family.wantedBy === undefined ? "multi-user.target" : undefined,
  })),
  change("[Install]", PLAIN, (family) => ({ ...family, install: !family.install })),
  ...(["socket", "timer", "path"] as const).map((kind) =>
    change(kind, [kind], (family, random) => ({
      ...family,
      trigger: triggerOf(kind, family.name, 1 + random.upTo(20)),
    })),
  ),
  change("socket triggers", ["socket", "timer", "path"], (family) => ({
    ...family,
    kind: "service",
    trigger: {},
  })),
  change("wanted instances", ["template"], ({ wantedInstances, ...family }) => ({
    ...family,
    wantedInstances: wantedInstances.length === 1 ? ["a", "c"] : ["a"],
  })),
  change("drop-in of an instance", ["template"], ({ dropInInstances, ...family }, random) => ({
    ...family,
    dropInInstances: random.chance(0.3) ? {} : { b: { Nice: random.one(VERSIONS) } },
  })),
  change("mount options", ["mount"], (family, random) => ({
    ...family,
    options: { ...family.options, Options: `size=${random.one(VERSIONS)}m` },
  })),
  change("mount source", ["mount"], (family, random) => ({
    ...family,
    options: { ...family.options, What: `tmpfs${random.one(VERSIONS)}` },
  })),
];

function change(
  rule: string,
  kinds: readonly string[],
  apply: (family: Family, random: Random) => Family,
): Change {
  return {
    rule,
    apply: (family, random) => (kinds.includes(family.kind) ? apply(family, random) : undefined),
  };
}

/** Set, set to another, or gone. */
function toggled(
  options: Readonly<Record<string, string>>,
  key: string,
  values: readonly string[],
  random: Random,
): Record<string, string> {
  const { [key]: was, ...rest } = options;
  const others = values.filter((value) => value !== was);
  const gone = was !== undefined && (others.length === 0 || random.chance(0.25));
  return gone ? rest : { ...rest, [key]: random.one(others) };
}
