# needs: json.sh lib.sh jobs.sh units.sh unit-changes.sh roots.sh ledger.sh goal.sh preflight.sh preflight-room.sh preflight-others.sh images.sh preflight-reboot.sh preflight-credentials.sh switch.sh failures.sh links.sh checkout.sh data.sh backup.sh probe-place.sh probe-kinds.sh probe.sh diagnostics.sh keep.sh commit.sh rollback.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The activation of a system as one transaction, run by the host itself, as a job. Which steps it takes is the goal's matter;
# a failed one leads back to what ran before. In every mode but `immediate` and `boot` the boot default is untouched until
# commit, so that a power cut brings back the old system.

main() {
  local name
  settings
  trap on_term TERM
  plan_steps
  record_cut_off
  for name in "${steps[@]}"; do
    if ! take "$name"; then
      go_back
      return
    fi
  done
  conclude "$success"
}

go_back() {
  if [[ $switched ]]; then
    stay_if_shutting_down
    take diagnose || true
    take rollback || true
    take rollback-health || true
    take diagnose-rollback || true
    conclude "$rollback_outcome"
  elif [[ ! $profile_moved && ! $links_placed ]] || take put-back; then
    conclude refused
  else
    conclude rollback-failed
  fi
}

settings() {
  [[ $JOB ]] || fail not-a-job "An activation runs only as a job." "Use start."
  local key
  arg_get id && id=$REPLY
  check_goal
  check_links
  check_checkout
  if [[ $with_system ]]; then
    # A checkout tells by itself which system it is.
    if [[ $strategy != flake ]]; then arg_get toplevel; fi
    toplevel=${arg[toplevel]-}
    if [[ $toplevel ]]; then require_store_path toplevel "$toplevel"; fi
  fi
  for key in switch confirm rollback; do
    arg_get "timeouts.$key"
    require_seconds "timeouts.$key" "$REPLY"
  done
  [[ ${arg[unitFailures]:-tolerant} =~ ^(tolerant|strict)$ ]] || fail bad-argument "[unitFailures] is not one of tolerant, strict."
  check_probes
  check_preflight
  check_data
  check_keep
  RUN=$VOLATILE/$id
  decision_file "$id"
  decision_at=$REPLY
  mkdir -p -- "$RUN"
  # A dry run touches nothing: what was cut off before it is still to be told.
  if [[ $mode != dry-activate ]]; then
    write_file "$STATE/activation" "$id" || fail no-space "The host cannot write to $STATE. Nothing was changed." "Is the disk full?"
  fi
}

id='' toplevel='' RUN='' decision_at='' started_at=$EPOCHSECONDS step=''
previous='' before_system='' before_profile='' failed_before='' journal_mark=''
told_to_stop='' cancelled='' switched='' profile_moved='' concluded=''
failed_step='' failure_reason='' shown=''
steps_json='' switch_json=null rollback_json=null units_json=null health_json='[]' health_after=null rollback_outcome=rollback-failed

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

step_test() { activate test; }

# What plain `nixos-rebuild switch` does: profile and boot default come first, and nobody is asked.
step_switch() {
  set_decision unasked
  not_cancelled || return
  profile_moved=yes
  write_file "$BOOT_UNPROVEN" "$toplevel" || true
  if [[ $strategy == flake ]]; then
    activate flake || return
  else
    set_profile "$toplevel" || { because "The system profile could not be set."; return; }
    activate switch || return
  fi
  rm -f -- "$BOOT_UNPROVEN"
}

# activate ACTION: test or switch; or flake, which has nixos-rebuild switch to what the checkout holds.
activate() {
  local changed=no
  status "$step" "activating ${toplevel##*/}"
  # If the power is cut from here on, the record of it must have reached the disk.
  sync -- "$JOB/card" "$JOB/status.json" "$STATE/activation" 2>/dev/null || true
  switched=yes
  changes_begin
  if [[ $1 == flake ]]; then
    rebuild_switch "activating ${toplevel##*/}"
  else
    run_switch "$toplevel" "$1" "${arg[timeouts.switch]}" "activating ${toplevel##*/}"
  fi
  changes_end
  keep_switch
  if [[ $(readlink -e -- /run/current-system) != "$before_system" ]]; then changed=yes; fi
  judge_switch "$changed"
  case $switch_verdict in
    ok | units)
      way_back_is_open || { because "The release has a unit file that cannot be parsed, $REPLY: with it running, no later switch would be possible, also none back."; return; }
      not_cancelled
      ;;
    refused)
      switched=''
      because "$switch_reason. Nothing was changed."
      ;;
    *) because "$switch_reason." ;;
  esac
}

# keep_switch: the result of the switch as the verdict tells it.
keep_switch() {
  local output
  last_bytes "$switch_output" 4000
  output=$REPLY
  seconds "$switch_micros"
  json_object exit:j "$switch_exit" seconds:j "$REPLY" output:s "$output"
  switch_json=$REPLY
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
    tell_failures
    not_cancelled
  fi
}

step_await_confirmation() {
  local limit=${arg[timeouts.confirm]} deadline told='' decision=''
  # Without a confirmation the decision falls at once; from here on it cannot be cancelled.
  if [[ ${arg[confirm]:-false} != true ]]; then set_decision unasked; fi
  micros "$limit"
  now_plus "$REPLY"
  deadline=$REPLY
  while ! is_cancelled && [[ ! -e $decision_at ]]; do
    now
    # Whoever writes the decision first, the operator or the clock, has decided.
    if ((REPLY >= deadline)); then
      set_decision expired
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

# set_decision WORD: unless somebody has decided already.
set_decision() {
  exclusive_file "$decision_at" "$1" || true
}

# ---- the end --------------------------------------------------------------------------------

# conclude OUTCOME: the verdict.
conclude() {
  local current profile before_json after_json notes_json links_were=null links_are=null
  concluded=yes
  if [[ $1 != committed && $1 != tested ]]; then restore_checkout || true; fi
  give_up_roots "$1"
  current=$(readlink -e -- /run/current-system) || current=''
  profile=$(readlink -e -- "$PROFILE") || profile=''
  links_to_json
  json_object currentSystem:o "$before_system" profile:o "$before_profile" bootedSystem:o "${booted_system-}" links:j "$links_were"
  before_json=$REPLY
  json_object currentSystem:o "$current" profile:o "$profile" bootedSystem:o "${booted_system-}" links:j "$links_are"
  after_json=$REPLY
  changes_to_json
  units_json=$REPLY
  json_array "${notes[@]}"
  notes_json=$REPLY
  if [[ $1 != shown ]]; then record_transaction "$1" || note "The ledger could not be written; the next transaction does it."; fi
  status "done" "$1${failure_reason:+: $failure_reason}"
  json_object id:s "$id" mode:s "$mode" outcome:s "$1" failedStep:o "$failed_step" reason:o "$failure_reason" advice:o "$advice" \
    notes:j "$notes_json" toplevel:s "$toplevel" \
    before:j "$before_json" after:j "$after_json" switch:j "$switch_json" units:j "$units_json" rollback:j "$rollback_json" \
    shown:o "$shown" links:j "$links_json" probes:j "$health_json" healthAfterRollback:j "$health_after" diagnostics:o "$diagnostics_text" \
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
    set_decision cancelled
    if [[ -e $decision_at ]]; then read -r decision <"$decision_at" || true; fi
    if [[ $decision == cancelled ]]; then cancelled=yes; else note "Told to stop, but the decision is '$decision' already."; fi
  fi
  [[ $cancelled ]]
}

# At shutdown systemd refuses to start units, and the boot default is still the old system: the reboot is the rollback.
stay_if_shutting_down() {
  if [[ ! $profile_moved && ! $links_placed && $(systemctl is-system-running 2>/dev/null || true) == stopping ]]; then
    note "The host is shutting down in the middle of the activation; it will boot the previous system."
    concluded=yes JOB=''
    exit 0
  fi
}

# An error in this script itself must not leave the new system unproven.
cleanup() {
  if [[ ($switched || $profile_moved || $links_placed) && ! $concluded ]]; then
    note "[$step] The script ends unexpectedly (exit $1) at: ${2:0:200}"
    if is_cancelled; then because "Cancelled." || true; else because "The activation script ended unexpectedly (exit $1)." || true; fi
    failed_step=${failed_step:-$step}
    if [[ $switched ]]; then
      take rollback || true
      conclude "$rollback_outcome"
    elif take put-back; then
      conclude refused
    else
      conclude rollback-failed
    fi
  elif [[ $id && $failure && ! $concluded ]]; then
    failed_step=$step failure_reason=$failure
    record_transaction refused || true
  fi
}

main
