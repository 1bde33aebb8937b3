# needs: json.sh lib.sh units.sh roots.sh jobs.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Gives the host up: our gc roots and records of its activations go, what it runs stays. Keys and evaluations are a builder's.

readonly ACTIVATION_ROOTS=(current previous transaction-next transaction-previous)

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
  for dir in "$STATE"/jobs/activate-*/; do
    if [[ -d $dir ]]; then rm -rf -- "$dir"; fi
  done
  rm -f -- "$STATE/ledger.jsonl" "$STATE/activation"
  roots_to_json
  answer "{\"roots\":$REPLY}"
}

main
