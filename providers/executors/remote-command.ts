const FIND_PROGRAMS =
  "PATH=$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin; export PATH; ";

/**
 * The one command line that every executor starts: read a script of so many bytes from stdin, run
 * it in bash, and leave the rest of stdin to it. A service of NixOS has a bare PATH, so the
 * system's programs are appended.
 */
export function remoteCommand(script: string): readonly [string, ...string[]] {
  return ["/bin/sh", "-c", RUN_SCRIPT, "nixos-promote", String(Buffer.byteLength(script))];
}

const RUN_SCRIPT = `${FIND_PROGRAMS}exec bash -c "$(head -c "$1")" nixos-promote`;

/**
 * The same command, with so many bytes of stdin, on a connection that stays until stdin ends: also when we are killed.
 * It says CONNECTED, then what the command says, then on stdout and stderr a line of `mark` and the command's exit.
 */
export function stayingCommand(
  command: readonly string[],
  inputBytes: number,
  mark: string,
): readonly [string, ...string[]] {
  return ["/bin/sh", "-c", STAY, "nixos-promote", mark, String(inputBytes), ...command];
}

export const CONNECTED = "connected\n";

const STAY =
  `${FIND_PROGRAMS}echo connected; mark=$1 bytes=$2; shift 2; head -c "$bytes" | "$@"; code=$?; ` +
  'echo "$mark $code" >&2; echo "$mark $code"; exec cat >/dev/null';
