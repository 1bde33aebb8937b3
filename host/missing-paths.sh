# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Which of many paths the store of this host does not have.

# missing_to_json: of the argument [paths], one a line. REPLY is `"missing":[...],"free":BYTES`, without braces. A few
# processes for all of them, because bash itself takes longer for each path than Nix does.
missing_to_json() {
  local missing bad
  arg_get paths
  bad=$(printf '%s\n' "$REPLY" | grep -Evm1 "$STORE_PATH") || true
  if [[ $bad && $REPLY ]]; then require_store_path paths "$bad"; fi
  missing=$(printf '%s\n' "${arg[paths]}" | xargs -r nix-store --check-validity --print-invalid -- | awk '{ printf ",\"%s\"", $0 }')
  free_bytes
  REPLY="\"missing\":[${missing#,}],\"free\":$REPLY"
}
