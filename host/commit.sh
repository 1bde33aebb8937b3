# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The end of a good activation: profile, boot default, gc roots, what is kept of the release.

step_commit() {
  local current
  links_are_in_place || return
  if [[ $with_system ]]; then
    status commit "making ${toplevel##*/} the boot default"
    current=$(readlink -e -- /run/current-system) || current=''
    [[ $current == "$toplevel" ]] || { because "Somebody else has activated $current in the meantime."; return; }
    make_default || return
  fi
  step_record
}

# Nothing that runs is touched.
step_boot() {
  status boot "making ${toplevel##*/} the boot default"
  set_decision unasked
  not_cancelled || return
  make_default || return
  keep_switch
  step_record
}

# Proven, and left running; a reboot goes back to the boot default.
step_keep() {
  links_are_in_place || return
  # The way back is the profile, which is a root of its own.
  add_root tested "$toplevel" || true
}

step_record() {
  status "$step" "keeping what now runs, and what ran before it"
  if [[ $with_system ]]; then keep_roots; fi
  keep_links
  keep_manifest
}

make_default() {
  profile_moved=yes
  set_profile "$toplevel" || { because "The system profile could not be set."; return; }
  boot_default "$toplevel" || { because "The boot default could not be written: ${REPLY:-exit $switch_exit}."; return; }
}

set_profile() {
  timeout --kill-after=5 60 nix-env --profile "$PROFILE" --set -- "$1" </dev/null
}

# What a boot loader that fails has written, nobody knows: until one has been written well, that is told.
boot_default() {
  write_file "$BOOT_UNPROVEN" "$1" || true
  run_switch "$1" boot "${arg[timeouts.switch]}" "writing the boot default"
  last_words
  [[ $switch_exit == 0 ]] && rm -f -- "$BOOT_UNPROVEN"
}

# Activating the same system again must not forget what ran before it.
keep_roots() {
  if [[ $previous != "$toplevel" ]]; then
    keep_generations || true
    add_root previous "$previous" || true
    write_file "$STATE/previous" "$previous" || true
  fi
  add_root current "$toplevel" || true
  remove_root tested
}

# give_up_roots OUTCOME: what the transaction itself held. After a failed rollback its way back is still needed; and where
# nothing was touched, so is that of an activation which was cut off and has left the host on trial.
give_up_roots() {
  local root
  for root in "$ROOTS"/transaction-*; do
    case $1/${root##*/} in
      rollback-failed/transaction-next) ;;
      rollback-failed/*) continue ;;
      refused/transaction-link-* | shown/transaction-link-*) if [[ -e $LINKS/trial ]]; then continue; fi ;;
      refused/* | shown/*) if [[ ! $previous || $previous != "$before_system" ]]; then continue; fi ;;
    esac
    if [[ $with_system || $root == "$ROOTS"/transaction-link-* ]]; then rm -f -- "$root"; fi
  done
}
