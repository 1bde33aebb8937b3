# needs: json.sh lib.sh units.sh roots.sh jobs.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Gives the host up: our gc roots and records of its activations go, what it runs stays. Keys and evaluations are a builder's.

readonly ACTIVATION_ROOTS=(current previous transaction-next transaction-previous)

main() {
  local name dir
  unit_holder "$ACTIVATION_UNIT"
  if [[ $holder_state =~ ^(active|activating|deactivating|reloading)$ ]]; then
    fail busy "An activation is running on the host: ${holder:-unknown}." "Wait until it has ended, or cancel it."
  fi
  for name in "${ACTIVATION_ROOTS[@]}"; do remove_root "$name"; done
  for dir in "$STATE"/jobs/activate-*/; do
    if [[ -d $dir ]]; then rm -rf -- "$dir"; fi
  done
  rm -f -- "$STATE/ledger.jsonl" "$STATE/activation"
  roots_to_json
  answer "{\"roots\":$REPLY}"
}

main
