// Parts of the host scripts in a bash on this machine, with a /var/lib/nixos-promote and a /run/nixos-promote of their own.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../lab/process.ts";
import { flatten } from "../../providers/executors/argument.ts";
import { type Command, scriptOf } from "../../providers/executors/script.ts";
import type { More } from "./prod.ts";

/** A directory that is the host's state in each run, as long as the suite lasts. */
export class OwnState {
  readonly directory = mkdtempSync(join(tmpdir(), "nixos-promote-state-"));

  /** The script of a command without its main, then `main`; what it says on stdout. */
  parts(command: Command, main: string, argument: More = {}): Promise<string> {
    return this.#run(scriptOf(command).replace(/\nmain\n*$/, `\n${main}\n`), argument);
  }

  /** The command as it is; its answer. */
  async ask(command: Command, argument: More = {}): Promise<unknown> {
    return JSON.parse(await this.#run(scriptOf(command), argument));
  }

  async #run(script: string, argument: More): Promise<string> {
    const file = join(this.directory, "script");
    writeFileSync(file, script);
    const inside = `mkdir -p /var/lib/nixos-promote /run/nixos-promote "$1/run" && mount --bind "$1" /var/lib/nixos-promote &&
      mount --bind "$1/run" /run/nixos-promote && exec bash "$1/script"`;
    const ran = await run(["unshare", "--mount", "bash", "-c", inside, "bash", this.directory], {
      input: flatten(argument),
    });
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stdout;
  }

  discard(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
