import { parseSettings, type Settings, SettingsError } from "../settings.ts";
import * as pulumi from "./pulumi.ts";

/** The settings of the stack, as Pulumi has read them. */
export function loadSettings(config = new pulumi.Config()): Settings {
  const ours = `${config.name}:`;
  const given = Object.keys(pulumi.allConfig()).filter((key) => key.startsWith(ours));
  const keys = given.map((key) => key.slice(ours.length));
  const raw = Object.fromEntries(keys.map((key) => [key, config.getObject<unknown>(key)]));
  try {
    return parseSettings(raw, config.name);
  } catch (error) {
    throw error instanceof SettingsError ? new pulumi.RunError(error.message) : error;
  }
}
