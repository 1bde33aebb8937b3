# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Runs switch-to-configuration and says what its result means: docs/switch-results.md is the same as a table.

switch_exit='' switch_micros=0 switch_output='' switch_runs=0
switch_verdict='' switch_reason=''

# A switch that ran out of time has had its SIGTERM. What does not listen to that gets so many seconds more.
readonly ORPHAN_GRACE=3
readonly UNREADABLE='Failed to parse systemd unit file ([^[:space:]]+)'

# run_switch TOPLEVEL ACTION LIMIT WHAT: sets switch_exit, switch_micros and switch_output (the end of it).
run_switch() {
  run_watched "$3" "$4" "$1/bin/switch-to-configuration" "$2"
}

# run_watched LIMIT WHAT COMMAND...: the same for any command.
run_watched() {
  local limit=$1 what=$2 pid began deadline told=0 elapsed
  shift 2
  local log=$RUN/switch.$((switch_runs += 1)).log
  micros "$limit"
  deadline=$REPLY
  now
  began=$REPLY
  deadline=$((began + deadline))
  # The output goes to a file in memory: when the reader of a pipe dies, or the disk is full, the program panics half-way.
  # Its own process group, so that a time-out reaches the activation script too.
  timeout --kill-after=15 "$limit" env -u LC_ALL -u NIXOS_PROMOTE_JOB "$@" \
    </dev/null >"$log" 2>&1 3>&- 4>&- &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    now
    elapsed=$(((REPLY - began) / 1000000))
    if ((elapsed > told)); then
      told=$elapsed
      status "$step" "$what, $elapsed s of $limit s" elapsed "$elapsed" limit "$limit"
    fi
    nap 0.05
  done
  switch_exit=0
  wait "$pid" || switch_exit=$?
  now
  # `timeout` tells its own SIGKILL as if somebody else had sent it.
  if [[ $switch_exit == 137 ]] && ((REPLY >= deadline)); then switch_exit=124; fi
  if [[ $switch_exit == 124 ]]; then deadline=$((REPLY + ORPHAN_GRACE * 1000000)); fi
  if ((switch_exit > 100)); then outlast "$pid" "$deadline"; fi
  now
  switch_micros=$((REPLY - began))
  switch_output=$(tail -c 16384 -- "$log" | tr -d '\000') || switch_output=
  note "--- $* ended with $switch_exit"
  note "$switch_output"
}

# outlast GROUP DEADLINE: a switch that was killed leaves its activation script running, which would move
# /run/current-system after our way back. Waits for what is left of its process group, and ends it after DEADLINE.
outlast() {
  local group=$1 deadline=$2 began end='ended by itself'
  kill -0 -- "-$group" 2>/dev/null || return 0
  now
  began=$REPLY
  status "$step" "the switch was killed, but its activation script goes on; waiting for its end"
  while kill -0 -- "-$group" 2>/dev/null; do
    now
    if [[ $told_to_stop ]] || ((REPLY >= deadline)); then
      end='was ended by us'
      kill -KILL -- "-$group" 2>/dev/null || true
    fi
    nap 0.05
  done
  now
  seconds $((REPLY - began))
  tell "The switch was killed (exit $switch_exit), its activation script went on for ${REPLY%??} s and $end."
}

# judge_switch CHANGED: what to do after `test`. CHANGED is yes if /run/current-system is another one than before.
# Sets switch_verdict (ok, units, rollback, refused) and switch_reason, a sentence.
judge_switch() {
  local touched=$1
  # These two lines come before anything is stopped or activated.
  if [[ $switch_output == *'stopping the following units:'* || $switch_output == *'activating the configuration...'* ]]; then touched=yes; fi
  switch_verdict=rollback
  switch_reason="switch-to-configuration ended with $switch_exit"
  case $switch_exit in
    0) switch_verdict=ok switch_reason='' ;;
    2)
      if [[ $touched == yes ]]; then switch_reason="The activation script of the release failed (exit 2)"; fi
      ;;
    4)
      if [[ $switch_output == *'Failed to run activate script'* ]]; then
        switch_reason="The activation script of the release failed (exit 4, which hides a 2)"
      else
        switch_verdict=units
        switch_reason="Units did not start as they should (exit 4)"
      fi
      ;;
    100) switch_reason="The release changes the interface to the boot stage, so it takes effect only after a reboot (exit 100)" ;;
    101) touched=yes switch_reason="switch-to-configuration panicked (exit 101) and has left units as they were at that moment" ;;
    124) touched=yes switch_reason="switch-to-configuration did not end within its time; the last it said" ;;
    137 | 143) touched=yes switch_reason="switch-to-configuration was killed (exit $switch_exit)" ;;
  esac
  if [[ $switch_output == *'Could not acquire lock'* ]]; then
    switch_reason="Another switch-to-configuration is running on the host and holds its lock"
  elif [[ $switch_exit != [04] && $switch_output =~ $UNREADABLE ]]; then
    unreadable_reason "${BASH_REMATCH[1]}"
  elif [[ $switch_exit != [04] ]]; then
    last_words
    if [[ $REPLY ]]; then switch_reason+=": $REPLY"; fi
  fi
  # Nothing was stopped or activated: there is nothing to roll back, and a rollback would start units that somebody has stopped.
  if [[ $switch_verdict == rollback && $touched != yes ]]; then switch_verdict=refused; fi
}

# unreadable_reason FILE: sets switch_reason. A unit file that cannot be parsed gets in while its unit is not active, and from
# then on every switch fails, also one to a good system.
unreadable_reason() {
  if [[ $1 == /etc/* ]] && unit_of_file "$1"; then
    switch_reason="The running system has a unit file that cannot be parsed, $1, and with it no switch is possible: on the host run 'systemctl stop $REPLY', then try again"
  else
    switch_reason="The release has a unit file that cannot be parsed: $1"
  fi
}

# unit_of_file FILE: REPLY is the unit (for a template: the pattern of its instances) that the file or drop-in is read for.
unit_of_file() {
  REPLY=${1#*/systemd/system/}
  REPLY=${REPLY%%/*}
  REPLY=${REPLY%.d}
  [[ $REPLY =~ $UNIT_NAME ]] || return 1
  REPLY=${REPLY/@./@*.}
}

# way_back_is_open: could the host still be switched? False, with REPLY the file in the way, if a unit file that cannot be
# parsed has come in with the release. A dry run, which changes nothing.
way_back_is_open() {
  local log=$RUN/way-back.log
  timeout --kill-after=5 60 env -u LC_ALL -u NIXOS_PROMOTE_JOB "$previous/bin/switch-to-configuration" dry-activate \
    </dev/null >"$log" 2>&1 3>&- 4>&- || true
  [[ ! $(tail -c 16384 -- "$log" | tr -d '\000') =~ $UNREADABLE ]] || {
    REPLY=${BASH_REMATCH[1]}
    return 1
  }
}

# last_words: what the program said last. Of an error in several lines that is the first one and its last cause.
last_words() {
  local line first=''
  REPLY=
  while IFS= read -r line; do
    if [[ $line == 'Error: '* ]]; then first=$line; fi
    if [[ $line == *[![:space:]]* ]]; then REPLY=${line#"${line%%[![:space:]]*}"}; fi
  done <<<"$switch_output"
  if [[ $first && $first != "$REPLY" ]]; then REPLY="$first: $REPLY"; fi
  REPLY=${REPLY:0:300}
  while [[ $REPLY == *. ]]; do REPLY=${REPLY%.}; done
}
