/**
 * The one command line that every executor starts: read a script of so many bytes from stdin, run
 * it in bash, and leave the rest of stdin to it. A service of NixOS has a bare PATH, so the
 * system's programs are appended.
 */
export function remoteCommand(script: string): readonly ["/bin/sh", "-c", string, string, string] {
  return ["/bin/sh", "-c", RUN_SCRIPT, "nixos-promote", String(Buffer.byteLength(script))];
}

const RUN_SCRIPT =
  "PATH=$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin; export PATH; " +
  'exec bash -c "$(head -c "$1")" nixos-promote';
