# needs: json.sh lib.sh units.sh roots.sh jobs.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Gives the host up: our gc roots and records of its activations go; what it runs stays, and so do backups of its data. Keys and
# evaluations are a builder's.

readonly ACTIVATION_ROOTS=(current previous tested transaction-next transaction-previous)

readonly AUTO_ROOTS=/nix/var/nix/gcroots/auto

main() {
  local name dir lock
  # Nobody may start one in the meantime.
  mkdir -p -- "$STATE" && exec {lock}>>"$STATE/lock"
  flock --timeout 20 "$lock" || fail busy "Another command has been starting a job for 20 seconds." "Try again."
  unit_holder "$ACTIVATION_UNIT"
  if [[ $holder_state =~ ^(active|activating|deactivating|reloading)$ ]]; then
    busy_sentence "${holder:-an unknown job}"
    fail busy "$REPLY Nothing was given up." "Wait until it has ended, and run again."
  fi
  for name in "${ACTIVATION_ROOTS[@]}"; do remove_root "$name"; done
  rm -f -- "$ROOTS"/generation-*
  hand_over_links
  rm -rf -- "$STATE/releases"
  for dir in "$STATE"/jobs/activate-*/; do
    if [[ -d $dir ]]; then rm -rf -- "$dir"; fi
  done
  rm -f -- "$STATE/ledger.jsonl" "$STATE/activation" "$BOOT_UNPROVEN" "$VOLATILE"/*.record
  roots_to_json
  answer "{\"roots\":$REPLY}"
}

# What the links lead to runs on, and nobody else holds it: their roots become indirect ones of Nix, which go with the links.
hand_over_links() {
  local root
  for root in "$ROOTS"/link-previous-* "$ROOTS"/transaction-link-*; do
    if [[ -L $root ]]; then rm -f -- "$root"; fi
  done
  for root in "$ROOTS"/link-*; do
    if [[ -L $root ]]; then mv -fT -- "$root" "$AUTO_ROOTS/nixos-promote-${root##*/}"; fi
  done
}

main
