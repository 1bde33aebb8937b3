# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The way back of an activation: diagnosis, the previous system, its health.

rollback_failures=''

step_diagnose() {
  status diagnose "$failure_reason Collecting diagnostics."
  collect_diagnostics
}

step_rollback() {
  local undone=yes
  status rollback "$failure_reason Going back."
  mark_journal
  note_invocations
  put_back || undone=''
  if [[ $with_system ]]; then reactivate || undone=''; fi
  restart_as_before || undone=''
  release_failures "$previous" "$failed_before"
  rollback_failures=$REPLY
  [[ $undone ]] || return 1
  rollback_outcome=rolled-back
  if [[ $rollback_failures ]]; then failure_reason+=" After the rollback units have failed that had not before: ${rollback_failures//$'\n'/, }."; fi
}

# Nothing that runs was touched, so this is all of the way back.
step_put_back() {
  status put-back "$failure_reason Putting back what was there."
  put_back
}

put_back() {
  local all=yes
  if [[ $profile_moved ]]; then restore_boot_default || all=''; fi
  restore_links || all=''
  [[ $all ]]
}

# By path, never `nix-env --rollback`: where the profile was not moved, that would be one generation too far.
reactivate() {
  local tries=0 current deadline elapsed
  status rollback "$failure_reason Going back to ${previous##*/}."
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
    elif [[ $switch_exit == 1 && $switch_output =~ $UNREADABLE ]] && ((tries < 5)); then
      unwedge "${BASH_REMATCH[1]}"
    elif [[ $switch_exit == 0 || $tries -ge 2 ]]; then
      break
    fi
  done
  seconds "$elapsed"
  json_object exit:j "$switch_exit" seconds:j "$REPLY"
  rollback_json=$REPLY
  current=$(readlink -e -- /run/current-system) || current=''
  [[ $current == "$previous" && $switch_exit == [04] ]] || {
    failure_reason+=" The rollback to $previous failed too (exit $switch_exit); the host runs ${current:-an unknown system}."
    return 1
  }
}

restore_boot_default() {
  local old=${before_profile:-$previous}
  set_profile "$old" || {
    failure_reason+=" The system profile could not be set back to $old."
    return 1
  }
  if ! boot_default "$old"; then
    failure_reason+=" The boot loader could not be written for $old either: ${REPLY:-exit $switch_exit}."
  fi
}

unwedged=' '

# unwedge FILE: a unit file that cannot be parsed makes every later switch fail, also the one that would remove it. Only the
# files of active units are read, so stopping the unit is enough. If it is not, the files go back by hand.
unwedge() {
  local name
  if [[ $1 == /etc/* ]] && unit_of_file "$1" && [[ $unwedged != *" $REPLY "* ]]; then
    name=$REPLY
    unwedged+="$name "
    tell "$1 cannot be parsed, so $name was stopped to open the way back."
    timeout --kill-after=5 60 systemctl stop -- "$name" || true
  else
    tell "$1 cannot be parsed, so the activation script of the previous system was run by hand."
    timeout --kill-after=15 "${arg[timeouts.rollback]}" "$previous/activate" "$previous" </dev/null || true
    systemctl daemon-reload || true
  fi
}

step_rollback_health() {
  [[ $rollback_outcome == rolled-back ]] || return 0
  status rollback-health "probing the previous system"
  cancelled='' told_to_stop='' probes_soak=no
  run_probes "$previous" || failure_reason+=" After the rollback: $probes_failed."
  health_after=$probes_json
}

# A second look, if the way back did not lead to a healthy host: then this is what matters now.
step_diagnose_rollback() {
  if [[ $rollback_outcome == rolled-back && ! $probes_failed && ! $rollback_failures ]]; then return 0; fi
  status diagnose-rollback "collecting diagnostics of the rollback"
  if [[ $rollback_outcome != rolled-back ]]; then
    run_probes "$previous" once || true
    health_after=$probes_json
  fi
  collect_diagnostics "Before the rollback"
}
