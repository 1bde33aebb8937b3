# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The way back of an activation: diagnosis, the previous system, its health.

step_diagnose() {
  status diagnose "$failure_reason Collecting diagnostics."
  collect_diagnostics
}

# By path, never `nix-env --rollback`: the profile was not moved, so that would be one generation too far.
step_rollback() {
  local tries=0 current deadline elapsed
  status rollback "$failure_reason Going back to ${previous##*/}."
  if [[ $profile_moved ]]; then restore_boot_default; fi
  micros "${arg[timeouts.rollback]}"
  now_plus "$REPLY"
  deadline=$REPLY
  while :; do
    tries=$((tries + 1))
    run_switch "$previous" test "${arg[timeouts.rollback]}" "going back to ${previous##*/}"
    elapsed=$switch_micros
    now
    if [[ $switch_output == *'Could not acquire lock'* ]] && ((REPLY < deadline)); then
      nap 1
    elif stop_unreadable_unit; then
      tries=0
    elif [[ $switch_output == *'Failed to parse systemd unit file'* && $tries == 1 ]]; then
      unwedge
    elif [[ $switch_exit == 0 || $tries -ge 2 ]]; then
      break
    fi
  done
  seconds "$elapsed"
  json_object exit:j "$switch_exit" seconds:j "$REPLY"
  rollback_json=$REPLY
  current=$(readlink -e -- /run/current-system) || current=''
  release_failures "$previous" "$failed_before"
  if [[ $current != "$previous" || $switch_exit != [04] ]]; then
    failure_reason+=" The rollback to $previous failed too (exit $switch_exit); the host runs ${current:-an unknown system}."
    return 1
  fi
  rollback_outcome=rolled-back
  if [[ $REPLY ]]; then failure_reason+=" After the rollback units have failed that had not before: ${REPLY//$'\n'/, }."; fi
}

restore_boot_default() {
  local old=${before_profile:-$previous}
  if ! set_profile "$old" || ! boot_default "$old"; then
    failure_reason+=" The boot default could not be set back to $old."
  fi
}

# A unit that runs from a file that cannot be parsed makes every switch fail, also the one that would remove it.
# Once it is stopped, nobody reads its file any more. True if there was one that has not been stopped before.
unreadable=' '
stop_unreadable_unit() {
  [[ $switch_output =~ Failed\ to\ parse\ systemd\ unit\ file\ /etc/systemd/system/([^/[:space:]]+) ]] || return 1
  local name=${BASH_REMATCH[1]}
  [[ $name =~ $UNIT_NAME && $unreadable != *" $name "* ]] || return 1
  unreadable+="$name "
  note "The unit file of $name cannot be parsed; it is stopped, because it would make every switch fail."
  timeout --kill-after=5 60 systemctl stop -- "$name" </dev/null || true
}

# The last resort: it restarts nothing.
unwedge() {
  note "A unit file of the release cannot be parsed; running the activation script of the previous system by hand."
  timeout --kill-after=15 "${arg[timeouts.rollback]}" "$previous/activate" "$previous" </dev/null || true
  systemctl daemon-reload || true
}

step_rollback_health() {
  [[ $rollback_outcome == rolled-back ]] || return 0
  status rollback-health "probing the previous system"
  cancelled='' told_to_stop='' probes_soak=no
  run_probes "$previous" || failure_reason+=" After the rollback: $probes_failed."
  health_after=$probes_json
}
