# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The end of a good activation: profile, boot default, gc roots, ledger.

step_commit() {
  status commit "making ${toplevel##*/} the boot default"
  local current
  current=$(readlink -e -- /run/current-system) || current=''
  [[ $current == "$toplevel" ]] || { because "Somebody else has activated $current in the meantime."; return; }
  profile_moved=yes
  set_profile "$toplevel" || { because "The system profile could not be set."; return; }
  boot_default "$toplevel" || { because "The boot default could not be written: ${REPLY:-exit $switch_exit}."; return; }
  keep_roots
  record_release || note "The release is committed, but the ledger could not be written."
}

set_profile() {
  timeout --kill-after=5 60 nix-env --profile "$PROFILE" --set -- "$1" </dev/null
}

boot_default() {
  run_switch "$1" boot "${arg[timeouts.switch]}" "writing the boot default"
  last_words
  [[ $switch_exit == 0 ]]
}

# Activating the same system again must not forget what ran before it.
keep_roots() {
  if [[ $previous != "$toplevel" ]]; then
    add_root previous "$previous" || true
    write_file "$STATE/previous" "$previous" || true
  fi
  add_root current "$toplevel" || true
  remove_root transaction-next
  remove_root transaction-previous
}

record_release() {
  local key names=() release='' ledger=$STATE/ledger.jsonl
  arg_names release names
  for key in "${names[@]}"; do
    json_string "${arg[release.$key]}"
    json_member "$key" "$REPLY"
    release+=$REPLY
  done
  json_object at:j "$EPOCHSECONDS" id:s "$id" outcome:s committed toplevel:s "$toplevel" previous:s "$previous" release:j "{${release:1}}"
  # A line cut short by a power cut must not swallow this one.
  if [[ -s $ledger && $(tail -c 1 -- "$ledger") ]]; then REPLY=$'\n'$REPLY; fi
  { printf '%s\n' "$REPLY" >>"$ledger" && sync -- "$ledger"; } 2>/dev/null
}
