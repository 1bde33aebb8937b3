import type { Installation } from "../contract/install.ts";
import { localCall } from "./hooks.ts";

/**
 * Makes NixOS of a machine with another Linux, by nixos-anywhere from this machine, once. A later change
 * of anything here does nothing: from then on it is a host like any other, and adopted by its own stack.
 */
export async function install(hosts: Readonly<Record<string, Installation>>): Promise<string[]> {
  const { local } = await import("@pulumi/command");
  for (const [name, host] of Object.entries(hosts))
    new local.Command(`${name}-install`, localCall(argvOf(name, host), host.timeoutSeconds), {
      ignoreChanges: ["create", "interpreter", "environment", "dir", "addPreviousOutputInEnv"],
      protect: true,
      additionalSecretOutputs: ["stdout", "stderr"],
    });
  return Object.keys(hosts);
}

function argvOf(
  name: string,
  { target, flake, configuration = name, installer }: Installation,
): string[] {
  const { user, host, port, hostKey } = target;
  const words = [`${user}@${host}`, `${port}`, hostKey, installer, `${flake}#${configuration}`];
  return ["sh", "-c", INSTALL, "install", ...words];
}

/**
 * nixos-anywhere checks no host key, and its own options come before any of ours. So the machine proves
 * first who it is; it keeps its host keys, by which its stack knows it later; and no secret goes with it.
 * One that runs NixOS already is never erased.
 */
const INSTALL = `set -eu
target=$1 port=$2 key=$3 installer=$4 flake=$5
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
echo "pinned $key" >"$directory/known_hosts"
seen=$(ssh -o BatchMode=yes -o ConnectTimeout=15 -o StrictHostKeyChecking=yes -o HostKeyAlias=pinned \\
  -o "UserKnownHostsFile=$directory/known_hosts" -o GlobalKnownHostsFile=/dev/null -p "$port" -- "$target" \\
  'if test -e /etc/NIXOS; then echo nixos; else echo other; fi') ||
  { echo "$target did not prove that it is the machine of the pinned key, or took none of our keys. Nothing was changed there."; exit 1; }
if [ "$seen" != other ]; then
  echo "$target runs NixOS already, and is not erased. Nothing was changed there: adopt it, by a stack of its own."
  exit 1
fi
nix --extra-experimental-features "nix-command flakes" run "$installer" -- \\
  --flake "$flake" --target-host "$target" --ssh-port "$port" --copy-host-keys ||
  { echo "The installation of $target did not end well: it may run the installer, or nothing. See OVH's or AWS's console; a rescue boot brings a Linux back to begin from."; exit 1; }`;
