import * as pulumi from "./pulumi.ts";

/** What a stack may have that is no host: see cloud-settings.ts. */
export const AROUND_HOSTS = ["aws", "ovh", "install", "traffic"];

/** One host, many hosts, or what is around hosts. */
export type StackKind = "host" | "fleet" | "cloud";

/** Of the settings of this stack. */
export function stackKind(project = pulumi.getProject()): StackKind {
  const given = pulumi.allConfig();
  return kindOf((name) => given[`${project}:${name}`] !== undefined);
}

export function kindOf(has: (setting: string) => boolean): StackKind {
  if (has("host")) return "host";
  if (has("fleet")) return "fleet";
  return AROUND_HOSTS.some(has) ? "cloud" : "host";
}
