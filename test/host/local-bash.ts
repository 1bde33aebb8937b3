// Runs parts of the host scripts in a bash on this machine: what needs no systemd and no store.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "../../lab/process.ts";
import { remoteCommand } from "../../providers/executors/remote-command.ts";

const HOST = fileURLToPath(new URL("../../host/", import.meta.url));

export interface Said {
  readonly lines: string[];
  readonly stdout: string;
  readonly stderr: string;
}

/** The named parts of `host/` and then `main`, as an executor would run them; `input` is the flattened argument. */
export async function bash(
  parts: readonly string[],
  main: string,
  input: string | Uint8Array = "",
): Promise<Said> {
  const script = `${parts.map((part) => readFileSync(HOST + part, "utf8")).join("\n")}\n${main}\n`;
  const all = Buffer.concat([Buffer.from(script), Buffer.from(input)]);
  const ran = await run(remoteCommand(script), { input: all });
  assert.equal(ran.code, 0, ran.stderr);
  return {
    lines: ran.stdout.split("\n").slice(0, -1),
    stdout: ran.stdout,
    stderr: ran.stderr,
  };
}
