import { parseSettings, type Settings, SettingsError } from "../settings.ts";
import * as pulumi from "./pulumi.ts";

/** The settings of a stack with a host. */
export function loadSettings(config = new pulumi.Config()): Settings {
  return loadConfiguration(parseSettings, config);
}

/** The configuration of the stack, as Pulumi has read it and `parse` takes it. */
export function loadConfiguration<T>(
  parse: (raw: Record<string, unknown>, project: string) => T,
  config: pulumi.Config,
): T {
  const ours = `${config.name}:`;
  const given = Object.keys(pulumi.allConfig()).filter((key) => key.startsWith(ours));
  const keys = given.map((key) => key.slice(ours.length));
  const raw = Object.fromEntries(keys.map((key) => [key, config.getObject<unknown>(key)]));
  try {
    return parse(raw, config.name);
  } catch (error) {
    throw error instanceof SettingsError ? new pulumi.RunError(error.message) : error;
  }
}
