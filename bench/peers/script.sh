#!/usr/bin/env bash
# script.sh ACTION HOST...: what people write themselves: nix build, nix copy, ssh, switch, a look at the service.
# All hosts at once. ACTION is switch or dry-activate.
set -euo pipefail

action=$1
shift

# shellcheck disable=SC2016 # $1 and $2 are the remote shell's
readonly SWITCH='set -e
if [ "$2" = switch ]; then nix-env -p /nix/var/nix/profiles/system --set "$1"; fi
"$1/bin/switch-to-configuration" "$2" >/dev/null 2>&1
if [ "$2" = switch ]; then curl --fail --silent --show-error --output /dev/null --max-time 5 http://127.0.0.1:9090/login; fi'

deploy() {
  local host=$1 toplevel=$2
  nix copy --no-check-sigs --to "ssh-ng://$host" "$toplevel"
  # shellcheck disable=SC2029 # meant so: nothing in it is from a user
  ssh "$host" "bash -c '$SWITCH' bash $toplevel $action"
}

attributes=("${@/#/.#nixosConfigurations.}")
mapfile -t toplevels < <(nix build --no-link --print-out-paths "${attributes[@]/%/.config.system.build.toplevel}")
(($# == ${#toplevels[@]}))

pids=()
for host; do
  deploy "$host" "${toplevels[0]}" &
  pids+=($!)
  toplevels=("${toplevels[@]:1}")
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
exit "$failed"
