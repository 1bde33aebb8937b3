# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Why did it fail? Text for people, the most telling part first.

diagnostics_text=''

# mark_journal: remembers where the journal stands, so that only what the switch caused is shown. A place, not a time: clocks jump.
mark_journal() {
  journal_mark=$(timeout 5 journalctl -q -n 1 --show-cursor -o cat 2>/dev/null | tail -n 1) || journal_mark=
  journal_mark=${journal_mark#-- cursor: }
}

# collect_diagnostics: the whole to the job's directory, the first part of it to diagnostics_text.
collect_diagnostics() {
  local file=$JOB/diagnostics.txt bytes=${arg[diagnostics.bytes]:-16384}
  { write_diagnostics | tr -d '\000' | head -c 1048576 >"$file"; } 2>/dev/null || true
  diagnostics_text=$(head -c "$bytes" -- "$file" 2>/dev/null) || diagnostics_text=
  if [[ -e $file ]] && (($(wc -c <"$file") > bytes)); then
    diagnostics_text+=$'\n'"[cut after $bytes bytes; all of it is on the host in $file]"
  fi
}

write_diagnostics() {
  local i count=${arg[probes.length]:-0} most=${arg[diagnostics.lines]:-40} name lines
  local -a units=() failed=()
  printf '%s\n' "$failure_reason"
  heading "Probes"
  for ((i = 0; i < count; i++)); do
    probe_answer "$i"
    printf '%s (%s): %s\n' "${arg[probes.$i.name]}" "${arg[probes.$i.kind]}" "${REPLY:-not tried}"
  done

  failed_units
  if [[ $REPLY ]]; then
    heading "Failed units"
    mapfile -t failed <<<"$REPLY"
  fi
  for name in "${failed[@]}"; do
    if [[ $'\n'$failed_before$'\n' == *$'\n'"$name"$'\n'* ]]; then
      printf '%s (had failed before the switch)\n' "$name"
    else
      printf '%s\n' "$name"
      units+=("$name")
    fi
  done

  arg_list diagnostics.units failed
  for ((i = 0; i < count; i++)); do
    if [[ ${arg[probes.$i.unit]-} ]]; then failed+=("${arg[probes.$i.unit]}"); fi
  done
  for name in "${failed[@]}"; do
    if [[ $name =~ $UNIT_NAME && " ${units[*]} " != *" ${name%.service} "* && " ${units[*]} " != *" ${name%.service}.service "* ]]; then
      units+=("$name")
    fi
  done
  for name in "${units[@]}"; do
    lines=$(journal "$name" "$most")
    if [[ $lines ]]; then
      heading "Journal of $name since the switch (last $most lines)"
      printf '%s\n' "$lines"
    fi
  done

  if ((${#units[@]})); then
    heading "State of the units"
    timeout 10 systemctl show -p Id,ActiveState,SubState,Result,ExecMainStatus,NRestarts,FragmentPath -- "${units[@]}" || true
  fi
  heading "Output of switch-to-configuration"
  printf '%s\n' "$switch_output"
  heading "Listening sockets"
  timeout 10 ss -Hltnp || true
  heading "Disk"
  timeout 10 df -h /nix/store /var / || true
  heading "Memory"
  timeout 10 free -m || true
}

heading() { printf '\n== %s\n' "$1"; }

journal() {
  local -a since=(--since "@$started_at")
  if [[ $journal_mark ]]; then since=(--after-cursor "$journal_mark"); fi
  timeout 10 journalctl -q --no-pager -o short-iso "${since[@]}" -u "$1" -n "$2" </dev/null | tr -d '\000' | cut -b 1-500 | fold_repeats || true
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
