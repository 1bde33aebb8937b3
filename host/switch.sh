# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Runs switch-to-configuration and says what its result means.

switch_exit='' switch_micros=0 switch_output='' switch_runs=0
switch_verdict='' switch_reason=''

# run_switch TOPLEVEL ACTION LIMIT WHAT: sets switch_exit, switch_micros and switch_output (the end of it).
run_switch() {
  local toplevel=$1 action=$2 limit=$3 what=$4 pid began told=0 elapsed
  local log=$RUN/switch.$((switch_runs += 1)).log
  now
  began=$REPLY
  # The output goes to a file in memory: when the reader of a pipe dies, or the disk is full, the program panics half-way.
  # Its own process group, so that a time-out reaches the activation script too.
  timeout --kill-after=15 "$limit" env -u LC_ALL -u NIXOS_PROMOTE_JOB "$toplevel/bin/switch-to-configuration" "$action" \
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
  # Killed, it leaves its activation script behind, which would go on and undo the rollback.
  if [[ $switch_exit == @(124|137|143) ]] && kill -KILL -- "-$pid" 2>/dev/null; then
    note "What the killed switch had left running was ended."
  fi
  now
  switch_micros=$((REPLY - began))
  switch_output=$(tail -c 16384 -- "$log" | tr -d '\000') || switch_output=
  note "--- $toplevel/bin/switch-to-configuration $action ended with $switch_exit"
  note "$switch_output"
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
    2) switch_reason="The activation script of the release failed (exit 2)" ;;
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
  elif [[ $switch_exit != [04] ]]; then
    last_words
    if [[ $REPLY ]]; then switch_reason+=": $REPLY"; fi
  fi
  # Nothing was stopped or activated: there is nothing to roll back, and a rollback would start units that somebody has stopped.
  if [[ $switch_verdict == rollback && $touched != yes ]]; then switch_verdict=refused; fi
}

# last_words: the last line of the output, shortened.
last_words() {
  local line
  REPLY=
  while IFS= read -r line; do
    if [[ $line == *[![:space:]]* ]]; then REPLY=$line; fi
  done <<<"$switch_output"
  REPLY=${REPLY:0:300}
  while [[ $REPLY == *. ]]; do REPLY=${REPLY%.}; done
}

# release_failures TOPLEVEL BEFORE: the units of TOPLEVEL that fail now (or are restarted again and again) and are not
# in BEFORE, one name a line. Units that are not the release's do not count, nor do those that had failed already.
release_failures() {
  local toplevel=$1 before=$'\n'$2$'\n' name out=''
  failed_units
  while IFS= read -r name; do
    if [[ $name && $before != *$'\n'"$name"$'\n'* ]] && unit_of "$toplevel" "$name"; then out+=$name$'\n'; fi
  done <<<"$REPLY"
  REPLY=${out%$'\n'}
}

# unit_of TOPLEVEL NAME: does the unit, or its template, come from TOPLEVEL?
unit_of() {
  local dir=$1/etc/systemd/system
  [[ -e $dir/$2 ]] || { [[ $2 == *@*.* ]] && [[ -e $dir/${2%%@*}@.${2##*.} ]]; }
}
