import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The commands that hosts know: one file of `host/` each. */
export type Command =
  | "observe"
  | "describe"
  | "missing"
  | "references"
  | "root"
  | "forget"
  | "resolve"
  | "start"
  | "follow"
  | "confirm"
  | "cancel"
  | "build"
  | "sign"
  | "push"
  | "fill"
  | "cached"
  | "signed"
  | "doctor"
  | "pull"
  | "activate"
  | "restore-data"
  | "backups"
  | "history"
  | "verdict"
  | "snapshot"
  | "health"
  | "front"
  | "move-front";

const HOST_DIRECTORY = fileURLToPath(new URL("../../host/", import.meta.url));
const bundles = new Map<Command, string>();

/**
 * The bytes that run a command on a host, the same over every executor: the files which its
 * first line names (`# needs: lib.sh …`), then the command's own. Comments stay here.
 */
export function scriptOf(command: Command): string {
  let bundle = bundles.get(command);
  if (bundle === undefined) {
    const own = readFileSync(`${HOST_DIRECTORY}${command}.sh`, "utf8");
    const parts = needs(own).map((file) => readFileSync(`${HOST_DIRECTORY}${file}`, "utf8"));
    bundle = withoutComments([...parts, own].join("\n"));
    bundles.set(command, bundle);
  }
  return bundle;
}

/** Also those in texts for awk and Nix, which have the same comments. */
export function withoutComments(script: string): string {
  return script.replace(/^[ \t]*(#.*)?\n/gm, "");
}

function needs(script: string): string[] {
  const line = script.split("\n").find((text) => text.startsWith("# needs:"));
  return line === undefined ? [] : line.slice("# needs:".length).trim().split(/\s+/);
}
