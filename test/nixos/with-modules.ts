import { cp } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { SwitchHost } from "../switch/switch-host.ts";

/** Where the project's modules are on the host. */
export const MODULES = "/var/lib/nixos-modules";

/** A host whose systems may import the project's modules. */
export async function openWithModules(): Promise<SwitchHost> {
  const opened = await SwitchHost.open();
  const source = fileURLToPath(new URL("../../nixos/modules", import.meta.url));
  await cp(source, `${opened.host.root}${MODULES}`, { recursive: true });
  return opened;
}
