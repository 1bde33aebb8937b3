import * as pulumi from "./pulumi.ts";

/** What a stack may have that is no host: see cloud-settings.ts. */
export const AROUND_HOSTS = ["aws", "ovh", "install", "traffic"];

/** Does this stack have none of its own, but something around others? */
export function isCloudStack(project = pulumi.getProject()): boolean {
  const given = pulumi.allConfig();
  const has = (name: string) => given[`${project}:${name}`] !== undefined;
  return !has("host") && AROUND_HOSTS.some(has);
}
