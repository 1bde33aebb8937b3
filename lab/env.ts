// What a shell or a program needs to work on a lab with the shipped stacks.
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Instance } from "./instance.ts";
import { ssmEnvironment } from "./ssm/record.ts";

/** Environment of programs that work on the instance; PATH begins with our toolchain. */
export function environment(instance: Instance): Record<string, string> {
  return {
    PATH: [...toolchain(), process.env.PATH ?? ""].join(delimiter),
    NIXOS_PROMOTE_LAB: instance.name,
    NIXOS_PROMOTE_SSH_CONFIG: instance.path("ssh_config"),
    PULUMI_BACKEND_URL: `file://${instance.path("pulumi")}`,
    PULUMI_CONFIG_PASSPHRASE: "lab",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...ssmEnvironment(instance),
    // Halves the start-up of a Pulumi program; npm run sets it.
    ...(process.env.NODE_COMPILE_CACHE === undefined
      ? {}
      : { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }),
  };
}

/** The same for `eval`; PATH is put in front of the shell's own. */
export function exportLines(env: Record<string, string>): string {
  const lines = Object.entries({ ...env, PATH: toolchain().join(delimiter) }).map(
    ([name, value]) =>
      name === "PATH" ? `export PATH=${quote(value)}:"$PATH"` : `export ${name}=${quote(value)}`,
  );
  return `${lines.join("\n")}\n`;
}

/** One word of a POSIX shell that means exactly this text. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function toolchain(): string[] {
  const node = dirname(process.execPath);
  const pulumi = (process.env.PATH ?? "")
    .split(delimiter)
    .find((dir) => existsSync(join(dir, "pulumi")));
  return pulumi === undefined || pulumi === node ? [node] : [node, pulumi];
}
