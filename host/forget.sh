# needs: json.sh lib.sh units.sh roots.sh jobs.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Gives the host up: our gc roots and records of its activations go, what it runs stays. Keys and evaluations are a builder's.

readonly ACTIVATION_ROOTS=(current previous tested transaction-next transaction-previous)

readonly AUTO_ROOTS=/nix/var/nix/gcroots/auto

main() {
  local name dir
  unit_holder "$ACTIVATION_UNIT"
  if [[ $holder_state =~ ^(active|activating|deactivating|reloading)$ ]]; then
    fail busy "An activation is running on the host: ${holder:-unknown}." "Wait until it has ended, or cancel it."
  fi
  for name in "${ACTIVATION_ROOTS[@]}"; do remove_root "$name"; done
  hand_over_links
  for dir in "$STATE"/jobs/activate-*/; do
    if [[ -d $dir ]]; then rm -rf -- "$dir"; fi
  done
  rm -f -- "$STATE/ledger.jsonl" "$STATE/activation"
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
