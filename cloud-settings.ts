import { z } from "zod";
import * as pulumi from "./components/pulumi.ts";
import { aws } from "./contract/aws.ts";
import { install } from "./contract/install.ts";
import { ovh } from "./contract/ovh.ts";
import { traffic } from "./contract/traffic.ts";
import { sayIssues } from "./settings.ts";

/** The configuration of a stack without a host. */
export const cloudSettings = z.strictObject({
  aws: aws.optional(),
  ovh: ovh.optional(),
  install: install.optional(),
  traffic: traffic.optional(),
});
export type CloudSettings = z.infer<typeof cloudSettings>;

export function loadCloudSettings(config = new pulumi.Config()): CloudSettings {
  const ours = `${config.name}:`;
  const given = Object.keys(pulumi.allConfig()).filter((key) => key.startsWith(ours));
  const keys = given.map((key) => key.slice(ours.length));
  const raw = Object.fromEntries(keys.map((key) => [key, config.getObject<unknown>(key)]));
  const parsed = cloudSettings.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new pulumi.RunError(
    `The configuration of this stack has mistakes; nothing was touched.\n${sayIssues(parsed.error, config.name)}`,
  );
}
