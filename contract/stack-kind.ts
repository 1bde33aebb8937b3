/** What a stack may have that is no host: see cloud-settings.ts. */
export const AROUND_HOSTS = ["aws", "ovh", "install", "traffic"];

/** One host, many hosts, or what is around hosts. */
export type StackKind = "host" | "fleet" | "cloud";

export function kindOf(has: (setting: string) => boolean): StackKind {
  if (has("host")) return "host";
  if (has("fleet")) return "fleet";
  return AROUND_HOSTS.some(has) ? "cloud" : "host";
}
