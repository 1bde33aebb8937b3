import { lstatSync, mkdirSync, mkdtempSync } from "node:fs";

let directory: string | undefined;

/**
 * A private directory for sockets and pinned keys, with a short path because a socket's has 108
 * bytes. One for the user and not one for the process: the process may be killed, and ssh removes
 * its socket by itself.
 */
export function runtimeDirectory(): string {
  directory ??= own(
    `${process.env.XDG_RUNTIME_DIR ?? "/tmp"}/nixos-promote-${process.getuid?.() ?? 0}`,
  );
  return directory;
}

function own(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(path);
  const ours = lstatSync(path).isDirectory() && uid === process.getuid?.() && (mode & 0o077) === 0;
  return ours ? path : mkdtempSync("/tmp/nixos-promote-"); // somebody else was there first
}
