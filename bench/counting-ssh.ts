import { chmodSync, mkdirSync, writeFileSync } from "node:fs";

/** An ssh that writes down its arguments and becomes the real one. */
export function countingSsh(directory: string, calls: string): string {
  const bin = `${directory}/counting`;
  mkdirSync(bin, { recursive: true });
  const script = `#!/bin/sh\nprintf '%s ' "$@" | tr '\\n' ' ' >>'${calls}'\necho >>'${calls}'\nexec /usr/bin/ssh "$@"\n`;
  writeFileSync(`${bin}/ssh`, script);
  chmodSync(`${bin}/ssh`, 0o755);
  return bin;
}
