# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Units that have failed since the switch: which of them count.
#   tolerant (the default): those of the release. Others are said.
#   strict: all of them.
# In both, a unit that had failed before the switch does not count: the switch itself has erased that state and tried it again.

failures_excused=''

# release_failures TOPLEVEL BEFORE: REPLY lists the units that fail now (or are restarted again and again) and count, one a
# line. BEFORE lists those that had failed before. Sets failures_excused to the others, in words.
release_failures() {
  local toplevel=$1 before=$'\n'$2$'\n' name out=''
  failures_excused=''
  failed_units
  while IFS= read -r name; do
    if [[ ! $name ]]; then continue; fi
    if [[ $before == *$'\n'"$name"$'\n'* ]]; then
      failures_excused+=", $name (had failed before)"
    elif [[ ${arg[unitFailures]:-tolerant} == strict ]] || unit_of "$toplevel" "$name"; then
      out+=$name$'\n'
    else
      failures_excused+=", $name (not of the release)"
    fi
  done <<<"$REPLY"
  failures_excused=${failures_excused:2}
  REPLY=${out%$'\n'}
}

# unit_of TOPLEVEL NAME: does the unit, or its template, come from TOPLEVEL?
unit_of() {
  local dir=$1/etc/systemd/system
  [[ -e $dir/$2 ]] || { [[ $2 == *@*.* ]] && [[ -e $dir/${2%%@*}@.${2##*.} ]]; }
}

# tell_failures: says which failures were passed over. A 4 does not always mean that a unit has failed, and a unit that was
# not started because one it requires has failed is named nowhere.
tell_failures() {
  local line said='' waiting=''
  if [[ $switch_verdict == units ]]; then
    while IFS= read -r line; do
      if [[ $line == 'warning: '* || $line == 'Failed to '* ]]; then said+="; ${line:0:200}"; fi
    done <<<"$switch_output"
    tell "switch-to-configuration ended with 4, but no unit that counts has failed${said:+: ${said:2:600}}."
    unstarted_units
    waiting=${REPLY//$'\n'/, }
  fi
  if [[ $failures_excused ]]; then tell "Failed units that do not count: $failures_excused."; fi
  if [[ $waiting ]]; then tell "Not started, because a unit that they require has failed: $waiting."; fi
}

# unstarted_units: REPLY lists the units whose start was given up since the switch for one that they require, and that are
# still not active. Only the journal knows.
unstarted_units() {
  local name out='' seen=$'\n'
  local -a names=()
  REPLY=
  if [[ ! $journal_mark ]]; then return 0; fi
  while IFS= read -r name; do
    if [[ $name =~ $UNIT_NAME && $seen != *$'\n'"$name"$'\n'* ]]; then seen+=$name$'\n' names+=("$name"); fi
  done < <(timeout --kill-after=2 10 journalctl -q --no-pager -o cat --output-fields=UNIT --after-cursor "$journal_mark" JOB_RESULT=dependency </dev/null 2>/dev/null)
  if ((!${#names[@]})); then return 0; fi
  while IFS= read -r name; do
    if [[ $name == Id=* ]]; then
      out+=$'\n'${name#*=}
    elif [[ $name == ActiveState=active ]]; then
      out=${out%$'\n'*}
    fi
  done < <(timeout --kill-after=2 10 systemctl show -p Id,ActiveState -- "${names[@]}" </dev/null 2>/dev/null)
  REPLY=${out:1}
}
