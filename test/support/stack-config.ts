import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const yaml: { load(text: string): unknown } = createRequire(import.meta.url)("js-yaml");

export function parseYaml(text: string): unknown {
  return yaml.load(text);
}

/** The configuration of a shipped `Pulumi.<stack>.yaml`, by `project:key`. */
export function configOf(stack: "grind" | "prod"): Record<string, unknown> {
  const file = new URL(`../../Pulumi.${stack}.yaml`, import.meta.url);
  const { config } = yaml.load(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
  return config;
}

/** The same by plain key, as `settings.ts` reads it. */
export function settingsOf(stack: "grind" | "prod"): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(configOf(stack)).map(([key, value]) => [key.replace(/^choiros:/, ""), value]),
  );
}
