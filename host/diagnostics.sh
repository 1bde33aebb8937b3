# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Why did it fail? Text for people, the most telling part first. Bounded in time and bytes; shows no unit's environment.

diagnostics_text='' diagnostics_file='' diagnostics_end=0 journal_hangs=''
readonly DIAGNOSTICS_SECONDS=40 DIAGNOSTICS_BYTES=1048576

# mark_journal: remembers where the journal stands, so that only what the switch caused is shown. A place, not a time: clocks jump.
mark_journal() {
  journal_mark=$(timeout --kill-after=2 5 journalctl -q -n 1 --show-cursor -o cat 2>/dev/null | tail -n 1) || journal_mark=
  journal_mark=${journal_mark#-- cursor: }
}

# collect_diagnostics [TITLE]: the whole to a file of the job, the first part of it to diagnostics_text. What was collected
# before goes behind it, below TITLE.
collect_diagnostics() {
  local all bytes=${arg[diagnostics.bytes]:-16384} earlier=''
  if [[ $diagnostics_file ]]; then earlier=$(head -c "$DIAGNOSTICS_BYTES" -- "$diagnostics_file" | tr -d '\000'); fi
  now
  diagnostics_end=$((REPLY + DIAGNOSTICS_SECONDS * 1000000))
  # In memory, because the disk may be full.
  all=$(write_diagnostics | tr -d '\000' | head -c "$DIAGNOSTICS_BYTES") || true
  if [[ $earlier ]]; then all+=$'\n\n'"==== ${1-}"$'\n'$earlier; fi
  keep_diagnostics "$all"
  first_bytes "$all" "$bytes"
  diagnostics_text=$REPLY
  if ((${#all} > bytes)); then
    if [[ $diagnostics_file ]]; then REPLY="all of it is on the host in $diagnostics_file"; else REPLY="the rest could not be kept"; fi
    diagnostics_text+=$'\n'"[cut after $bytes bytes; $REPLY]"
  fi
}

# keep_diagnostics TEXT: sets diagnostics_file.
keep_diagnostics() {
  diagnostics_file=$JOB/diagnostics.txt
  if write_file "$diagnostics_file" "$1"; then return 0; fi
  rm -f -- "$diagnostics_file.new"
  diagnostics_file=$VOLATILE/$id.diagnostics.txt
  (umask 077 && write_file "$diagnostics_file" "$1") || diagnostics_file=
}

write_diagnostics() {
  local most=${arg[diagnostics.lines]:-40} name
  local -a units=() blamed=() sick=()
  printf '%s\n' "$failure_reason"
  show_probes
  blame_units
  if [[ $failed_step == await-confirmation ]]; then
    show_network
    for name in sshd.service ssh.service; do show_journal "$name" "$most"; done
  fi
  for name in "${blamed[@]}"; do show_journal "$name" "$most"; done
  show_units
  show_places
  for name in "${units[@]}"; do
    if [[ " ${blamed[*]} " != *" $name "* ]]; then show_journal "$name" "$most"; fi
  done
  heading "Output of switch-to-configuration"
  printf '%s\n' "$switch_output"
  heading "Errors of the whole host since the switch (last $most lines)"
  journal "$most" -p err
  printf '%s\n' "${REPLY:-(nothing)}"
  heading "Listening sockets"
  bounded 10 ss -Hltnp
  if [[ $failed_step != await-confirmation ]]; then show_network; fi
  heading "Disk"
  bounded 10 df -h /nix/store /var /run /
  heading "Memory"
  bounded 10 free -m
}

heading() { printf '\n== %s\n' "$1"; }

# Those that failed first. Sets sick to their indices.
show_probes() {
  local i count=${arg[probes.length]:-0} passed=''
  if ((count)); then heading "Probes"; fi
  for ((i = 0; i < count; i++)); do
    if probe_result "$i" && [[ $REPLY == 1$'\t'* ]]; then
      probe_answer "$i"
      passed+="${arg[probes.$i.name]} (${arg[probes.$i.kind]}): $REPLY, passed"$'\n'
    else
      sick+=("$i")
      probe_answer "$i"
      printf '%s (%s): %s\n' "${arg[probes.$i.name]}" "${arg[probes.$i.kind]}" "${REPLY:-not tried}"
    fi
  done
  printf %s "$passed"
}

# Sets units to those of the contract and those that have failed, blamed to those that are most likely the cause.
blame_units() {
  local name i had
  local -a failed=() asked=()
  failed_units
  if [[ $REPLY ]]; then
    heading "Failed units"
    mapfile -t failed <<<"$REPLY"
  fi
  for name in "${failed[@]}"; do
    had=
    if [[ $'\n'$failed_before$'\n' == *$'\n'"$name"$'\n'* ]]; then had=' (had failed before the switch)'; fi
    printf '%s%s\n' "$name" "$had"
    add_unit units "$name"
    if [[ ! $had ]]; then add_unit blamed "$name"; fi
  done
  for i in "${sick[@]}"; do
    if [[ ${arg[probes.$i.unit]-} && ! ${arg[probes.$i.place.length]:-} =~ [1-9] ]]; then
      add_unit blamed "${arg[probes.$i.unit]}"
      add_unit units "${arg[probes.$i.unit]}"
    fi
  done
  arg_list diagnostics.units asked
  for name in "${asked[@]}"; do add_unit units "$name"; done
}

# add_unit ARRAY NAME
add_unit() {
  local -n _units=$1
  if [[ ! $2 =~ $UNIT_NAME ]]; then return 0; fi
  require_unit unit "$2"
  if [[ " ${_units[*]} " != *" $REPLY "* ]]; then _units+=("$REPLY"); fi
}

show_network() {
  heading "Addresses"
  bounded 10 ip -brief address
}

# show_journal UNIT LINES: nothing said is worth knowing only of a unit that is to blame.
show_journal() {
  journal "$2" -u "$1"
  if [[ ! $REPLY && " ${blamed[*]} " != *" $1 "* ]]; then return 0; fi
  heading "Journal of $1 since the switch (last $2 lines)"
  printf '%s\n' "${REPLY:-(nothing)}"
}

# One line for each.
show_units() {
  local line id='' text=''
  if ((!${#units[@]})); then return 0; fi
  heading "Units"
  while IFS= read -r line; do
    case $line in
      Id=*) if [[ $id ]]; then printf '%s:%s\n' "$id" "$text"; fi && id=${line#*=} text='' ;;
      '' | *= | NRestarts=0 | ExecMainStatus=0) ;;
      *=*) text+=" $line" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done < <(bounded 10 systemctl show -p Id,LoadState,ActiveState,SubState,Result,MainPID,ExecMainStatus,NRestarts,FragmentPath -- "${units[@]}")
  if [[ $id ]]; then printf '%s:%s\n' "$id" "$text"; fi
}

# What it looks like where a failed probe was tried, if that was not on the host itself.
show_places() {
  local i shown=$'\n'
  local -a place=()
  for i in "${sick[@]}"; do
    if ! probe_place "$i" || ((!${#place[@]})); then continue; fi
    if [[ $shown != *$'\n'"${place[*]}"$'\n'* ]]; then
      shown+=${place[*]}$'\n'
      heading "Listening sockets where ${arg[probes.$i.name]} is tried (${place[*]})"
      bounded 5 "${place[@]}" ss -Hltn
      if [[ ${arg[probes.$i.place.length]:-} =~ [1-9] ]]; then
        heading "Failed units where ${arg[probes.$i.name]} is tried"
        bounded 5 "${place[@]}" systemctl list-units --failed --plain --no-legend --no-pager
      fi
    fi
    if [[ ${arg[probes.$i.unit]-} ]]; then
      heading "Status of ${arg[probes.$i.unit]} where ${arg[probes.$i.name]} is tried"
      bounded 5 "${place[@]}" systemctl status --no-pager --full --lines=30 -- "${arg[probes.$i.unit]}"
    fi
  done
}

# bounded SECONDS COMMAND...: shows what it says, but no more than 64 kB, and nothing after the time for all of it is over.
bounded() {
  local most=$1 code=0 file=$RUN/diagnosis
  shift
  now
  if ((REPLY >= diagnostics_end)); then
    printf '(not asked: collecting has taken %s s already)\n' "$DIAGNOSTICS_SECONDS"
    return 0
  fi
  # Not a pipe, which a grandchild could keep open for ever.
  (ulimit -f 64 && exec timeout --kill-after=2 "$most" "$@" </dev/null >"$file" 2>&1) || code=$?
  head -c 65536 -- "$file" || true
  if [[ $code == 124 || $code == 137 ]]; then printf '(no answer within %s s)\n' "$most"; fi
}

# journal LINES FILTER...: REPLY is what came since the switch. A journal that hangs once is not asked again.
journal() {
  local lines=$1
  local -a since=(--since "@$started_at")
  shift
  REPLY='(not asked: the journal did not answer before)'
  if [[ $journal_hangs ]]; then return 0; fi
  if [[ $journal_mark ]]; then since=(--after-cursor "$journal_mark"); fi
  REPLY=$(bounded 10 journalctl -q --no-pager -o short-iso "${since[@]}" "$@" -n "$lines" | tr -d '\000' | cut -b 1-500 | fold_repeats) || true
  if [[ $REPLY == *'(no answer within '*' s)' ]]; then journal_hangs=yes; fi
}

# fold_repeats: a line that says the same as the one before it, but for its time, is counted and not shown again.
fold_repeats() {
  awk '
    function told() { if (repeats) printf "    (the same %d times more, until %s)\n", repeats, last; repeats = 0 }
    { message = substr($0, length($1) + 1) }
    NR > 1 && message == previous { repeats++; last = $1; next }
    { told(); print; previous = message }
    END { told() }'
}
