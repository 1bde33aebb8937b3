// The directory of all instances. Overlays cannot stand on an overlay, so inside a container it becomes a tmpfs.
import { existsSync, mkdirSync, rmdirSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { Instance, STATE_ROOT } from "./instance.ts";
import { must, run } from "./process.ts";

const OVERLAYFS = 0x794c7630;

export async function ensureStateRoot(): Promise<void> {
  mkdirSync(STATE_ROOT, { recursive: true });
  if (statfsSync(STATE_ROOT).type !== OVERLAYFS) return;
  await must(["mount", "-t", "tmpfs", "-o", "mode=0755", "nixos-promote-lab", STATE_ROOT]);
}

/** Away with it once no instance is left. */
export async function removeStateRoot(): Promise<void> {
  if (!existsSync(STATE_ROOT) || Instance.all().length > 0) return;
  if (statfsSync(STATE_ROOT).type !== statfsSync(dirname(STATE_ROOT)).type) {
    await run(["umount", STATE_ROOT]);
  }
  rmdirSync(STATE_ROOT);
}
