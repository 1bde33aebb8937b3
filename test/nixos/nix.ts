import { spawnSync } from "node:child_process";
import { join } from "node:path";

const WORLD = join(import.meta.dirname, "world.nix");

/** The value of an expression in which all of world.nix is in scope. */
export function ask<Value>(expression: string): Value {
  const { status, stdout, stderr } = evaluate(expression);
  if (status !== 0) throw new Error(`${expression}\n${stderr}`);
  return JSON.parse(stdout) as Value;
}

/** What Nix says of an expression that it must refuse, in one line. */
export function refusal(expression: string): string {
  const { status, stdout, stderr } = evaluate(expression);
  if (status === 0) throw new Error(`This should not evaluate: ${expression}\nIt is ${stdout}`);
  return stderr.replace(/\s+/g, " ");
}

/** Reads files as Nix does; what is wrong with the first that is wrong, or nothing. */
export function syntaxError(files: readonly string[]): string {
  const ran = spawnSync("nix-instantiate", ["--parse", "--", ...files], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (ran.error !== undefined) throw ran.error;
  return ran.status === 0 ? "" : ran.stderr;
}

/** Without a store: paths are computed, and nothing is written. */
function evaluate(expression: string) {
  const args = ["--readonly-mode", "--eval", "--strict", "--json", "--expr"];
  const ran = spawnSync("nix-instantiate", [...args, `with import ${WORLD}; ${expression}`], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (ran.error !== undefined) throw ran.error;
  return ran;
}

/** A unit file's settings: every value of a key, by section. */
export function unit(text: string): Record<string, string[]> {
  const settings: Record<string, string[]> = {};
  let section = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("[")) section = line.slice(1, -1);
    else if (line.includes("=")) {
      const [key = "", ...value] = line.split("=");
      const name = `${section}.${key}`;
      settings[name] = [...(settings[name] ?? []), value.join("=")];
    }
  }
  return settings;
}
