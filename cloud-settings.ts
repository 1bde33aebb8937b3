import { z } from "zod";
import { loadConfiguration } from "./components/configuration.ts";
import * as pulumi from "./components/pulumi.ts";
import { aws } from "./contract/aws.ts";
import { install } from "./contract/install.ts";
import { ovh } from "./contract/ovh.ts";
import { traffic } from "./contract/traffic.ts";
import { parseAll } from "./settings.ts";

/** The configuration of a stack without a host. */
export const cloudSettings = z.strictObject({
  aws: aws.optional(),
  ovh: ovh.optional(),
  install: install.optional(),
  traffic: traffic.optional(),
});
export type CloudSettings = z.infer<typeof cloudSettings>;

export function loadCloudSettings(config = new pulumi.Config()): CloudSettings {
  return loadConfiguration((raw, project) => parseAll(cloudSettings, raw, project), config);
}
