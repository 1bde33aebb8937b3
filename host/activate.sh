# needs: json.sh lib.sh units.sh roots.sh preflight.sh preflight-room.sh preflight-others.sh preflight-reboot.sh preflight-credentials.sh switch.sh probe-kinds.sh probe.sh diagnostics.sh commit.sh rollback.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The activation of a system as one transaction, run by the host itself, as a job:
#   preflight, test, health, await-confirmation, commit; on failure diagnose, rollback, rollback-health.
# Until commit the boot default is untouched, so that a power cut brings back the old system.

main() {
  settings
  trap on_term TERM
  if take preflight && take test && take health && take await-confirmation && take commit; then
    conclude committed
  elif [[ ! $switched ]]; then
    conclude refused
  else
    stay_if_shutting_down
    take diagnose || true
    take rollback || true
    take rollback-health || true
    conclude "$rollback_outcome"
  fi
}

settings() {
  [[ $JOB ]] || fail not-a-job "An activation runs only as a job." "Use start."
  local key
  arg_get id && id=$REPLY
  arg_get toplevel && toplevel=$REPLY
  require_store_path toplevel "$toplevel"
  for key in switch confirm rollback; do
    arg_get "timeouts.$key"
    require_seconds "timeouts.$key" "$REPLY"
  done
  [[ ${arg[mode]:-switch} == switch ]] || fail bad-argument "[mode] is not one that this script knows: switch."
  check_probes
  check_preflight
  RUN=$VOLATILE/$id
  decision_file "$id"
  decision_at=$REPLY
  mkdir -p -- "$RUN"
  started_at=$EPOCHSECONDS
}

id='' toplevel='' RUN='' decision_at='' started_at=0 step=''
previous='' before_system='' before_profile='' failed_before='' journal_mark=''
told_to_stop='' cancelled='' switched='' profile_moved='' concluded=''
failed_step='' failure_reason=''
steps_json='' switch_json=null rollback_json=null health_json='[]' health_after=null rollback_outcome=rollback-failed

# take STEP: runs step_STEP and keeps its time. A failed step has called `because`.
take() {
  local began code=0
  step=$1
  now
  began=$REPLY
  "step_${step//-/_}" || code=$?
  now
  seconds $((REPLY - began))
  json_object name:s "$step" seconds:j "$REPLY"
  steps_json+=,$REPLY
  if ((code)) && [[ ! $failed_step ]]; then failed_step=$step; fi
  return "$code"
}

# because SENTENCE: the first reason is the one that counts.
because() {
  note "[$step] $1"
  if [[ ! $failure_reason ]]; then failure_reason=$1; fi
  return 1
}

not_cancelled() {
  ! is_cancelled || because "Cancelled."
}

# ---- the new system, on trial ---------------------------------------------------------------

step_test() {
  local changed=no
  status test "activating ${toplevel##*/}"
  # If the power is cut from here on, the record of it must have reached the disk.
  sync -- "$JOB/card" "$JOB/status.json" "$STATE/activation" 2>/dev/null || true
  switched=yes
  run_switch "$toplevel" test "${arg[timeouts.switch]}" "activating ${toplevel##*/}"
  local output
  last_bytes "$switch_output" 4000
  output=$REPLY
  seconds "$switch_micros"
  json_object exit:j "$switch_exit" seconds:j "$REPLY" output:s "$output"
  switch_json=$REPLY
  if [[ $(readlink -e -- /run/current-system) != "$before_system" ]]; then changed=yes; fi
  judge_switch "$changed"
  case $switch_verdict in
    ok | units) not_cancelled ;;
    refused)
      switched=''
      because "$switch_reason. Nothing was changed."
      ;;
    *) because "$switch_reason." ;;
  esac
}

step_health() {
  local verdict=0 once=''
  local -a failures=()
  status health "waiting for the services to become healthy"
  release_failures "$toplevel" "$failed_before"
  if [[ $REPLY ]]; then mapfile -t failures <<<"$REPLY"; fi
  # A failed unit does not recover by itself: one look at the probes, for the diagnosis, is enough.
  if ((${#failures[@]})) && systemctl is-failed --quiet -- "${failures[@]}"; then once=once; fi
  run_probes "$toplevel" "$once" || verdict=1
  health_json=$probes_json
  release_failures "$toplevel" "$failed_before"
  if [[ $REPLY ]]; then
    because "${switch_reason:-The release was activated, but units of it have failed since}: ${REPLY//$'\n'/, }.${probes_failed:+ $probes_failed.}"
  elif ((verdict)); then
    because "$probes_failed."
  else
    not_cancelled
  fi
}

step_await_confirmation() {
  local limit=${arg[timeouts.confirm]} deadline told='' decision=''
  # Without a confirmation the decision falls at once; from here on it cannot be cancelled.
  if [[ ${arg[confirm]:-false} != true ]]; then exclusive_file "$decision_at" unasked || true; fi
  micros "$limit"
  now_plus "$REPLY"
  deadline=$REPLY
  while ! is_cancelled && [[ ! -e $decision_at ]]; do
    now
    # Whoever writes the decision first, the operator or the clock, has decided.
    if ((REPLY >= deadline)); then
      exclusive_file "$decision_at" expired || true
      break
    fi
    seconds $((deadline - REPLY))
    if [[ ${REPLY%.*} != "$told" ]]; then
      told=${REPLY%.*}
      status await-confirmation "healthy; waiting for the operator's confirmation over a new connection, $told s left" left "$told"
    fi
    nap 0.05
  done
  if is_cancelled; then decision=cancelled; elif [[ -e $decision_at ]]; then read -r decision <"$decision_at" || true; fi
  case $decision in
    confirmed | unasked) return 0 ;;
    expired | '') because "No confirmation came within $limit s: the operator may not be able to reach the host any more." ;;
    *) because "Cancelled." ;;
  esac
}

# ---- the end --------------------------------------------------------------------------------

# conclude OUTCOME: the verdict.
conclude() {
  local current profile diagnostics_file='' before_json after_json notes_json
  concluded=yes
  # After a refusal the host may still be on trial from an activation that was cut off: its way back stays known.
  if [[ $1 != committed && ($1 != refused || $previous == "$before_system") ]]; then
    remove_root transaction-next
    if [[ $1 != rollback-failed ]]; then remove_root transaction-previous; fi
  fi
  current=$(readlink -e -- /run/current-system) || current=''
  profile=$(readlink -e -- "$PROFILE") || profile=''
  if [[ -e $JOB/diagnostics.txt ]]; then diagnostics_file=$JOB/diagnostics.txt; fi
  json_object currentSystem:o "$before_system" profile:o "$before_profile"
  before_json=$REPLY
  json_object currentSystem:o "$current" profile:o "$profile"
  after_json=$REPLY
  json_array "${notes[@]}"
  notes_json=$REPLY
  status "done" "$1${failure_reason:+: $failure_reason}"
  json_object id:s "$id" outcome:s "$1" failedStep:o "$failed_step" reason:o "$failure_reason" advice:o "$advice" notes:j "$notes_json" \
    toplevel:s "$toplevel" \
    before:j "$before_json" after:j "$after_json" switch:j "$switch_json" rollback:j "$rollback_json" \
    probes:j "$health_json" healthAfterRollback:j "$health_after" diagnostics:o "$diagnostics_text" \
    diagnosticsFile:o "$diagnostics_file" steps:j "[${steps_json:1}]" startedAt:j "$started_at" finishedAt:j "$EPOCHSECONDS"
  answer "$REPLY"
  rm -rf -- "$RUN"
}

# SIGTERM (cancel, systemctl stop, the time limit of the job). Nothing more than this: a `read` in the handler would
# take away the time-out of a `read` that it interrupts, which then waits for ever.
on_term() { told_to_stop=yes; }

# is_cancelled: told to stop, and the decision had not fallen yet?
is_cancelled() {
  local decision=cancelled
  if [[ $told_to_stop ]]; then
    told_to_stop=''
    exclusive_file "$decision_at" cancelled || true
    if [[ -e $decision_at ]]; then read -r decision <"$decision_at" || true; fi
    if [[ $decision == cancelled ]]; then cancelled=yes; else note "Told to stop, but the decision is '$decision' already."; fi
  fi
  [[ $cancelled ]]
}

# At shutdown systemd refuses to start units, and the boot default is still the old system: the reboot is the rollback.
stay_if_shutting_down() {
  if [[ ! $profile_moved && $(systemctl is-system-running 2>/dev/null || true) == stopping ]]; then
    note "The host is shutting down in the middle of the activation; it will boot the previous system."
    concluded=yes JOB=''
    exit 0
  fi
}

# An error in this script itself must not leave the new system unproven.
cleanup() {
  if [[ $switched && ! $concluded ]]; then
    because "The activation script ended unexpectedly (exit $1)." || true
    failed_step=${failed_step:-$step}
    take rollback || true
    conclude "$rollback_outcome"
  fi
}

main
