# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The ledger: a line of JSON for every transaction, whatever came of it. docs/ledger.md tells its form.

readonly LEDGER=$STATE/ledger.jsonl
readonly LEDGER_RECORDS=1000
readonly LEDGER_BYTES=4194304
readonly REASON_BYTES=2000

# record_transaction OUTCOME: of this one. Uses what conclude has gathered.
record_transaction() {
  local by_json executor reason
  [[ $mode != dry-activate ]] || return 0
  release_to_json
  local release_json=$REPLY
  read_card "$JOB"
  executor=$card_executor
  by_to_json
  by_json=$REPLY
  first_bytes "$failure_reason" "$REASON_BYTES"
  reason=$REPLY
  json_object at:j "$EPOCHSECONDS" id:s "$id" mode:s "$mode" outcome:s "$1" toplevel:o "$toplevel" previous:o "$previous" \
    release:j "$release_json" by:j "$by_json" executor:o "$executor" failedStep:o "$failed_step" reason:o "$reason" \
    startedAt:j "$started_at" finishedAt:j "$EPOCHSECONDS" steps:j "[${steps_json:1}]" \
    before:j "${before_json:-null}" after:j "${after_json:-null}" diagnosticsFile:o "$diagnostics_file" units:j "$units_json" backup:j "$backup_json"
  append_record "$id" "$REPLY"
}

# release_to_json: [release] of the argument.
release_to_json() {
  local key names=() release=''
  arg_names release names
  for key in "${names[@]}"; do
    json_string "${arg[release.$key]}"
    json_member "$key" "$REPLY"
    release+=$REPLY
  done
  REPLY="{${release:1}}"
}

# by_to_json: who started the job whose card was read.
by_to_json() {
  REPLY=null
  if [[ $card_user$card_host ]]; then json_object user:s "$card_user" host:s "$card_host" stack:s "$card_stack"; fi
}

# record_cut_off: of transactions that have neither a process nor a result. They cannot tell it themselves any more.
record_cut_off() {
  local dir other
  for dir in "$STATE"/jobs/activate-*/; do
    dir=${dir%/} other=${dir##*/}
    if [[ $other == "$id" || ! -e $dir/status.json || -e $dir/exit || -e $dir/recorded ]] || read_result "$dir" || job_alive "$dir"; then continue; fi
    # The guard at boot may have been first.
    if grep -qsaF -- "\"id\":\"$other\"" "$LEDGER" || cut_off_to_ledger "$other" "$dir"; then
      { : >"$dir/recorded"; } 2>/dev/null || true
    fi
  done
}

cut_off_to_ledger() {
  local key value by_json before='' after_json last=null
  local -A was=()
  while IFS=$'\t' read -r key value; do
    case $key in toplevel | mode | release.rev | release.subject) printf -v "was[$key]" %b "$value" ;; esac
  done <"$2/argument" || return
  if [[ ${was[mode]-} == dry-activate ]]; then return 0; fi
  read_card "$2"
  read_status "$2"
  if [[ $status_json =~ \"at\":([0-9]+)\}$ ]]; then last=${BASH_REMATCH[1]}; fi
  by_to_json
  by_json=$REPLY
  # Of the last one only: a later one has taken over its roots.
  if [[ -L $ROOTS/transaction-previous ]]; then before=$(readlink -- "$ROOTS/transaction-previous"); fi
  system_paths
  json_object currentSystem:o "$current_system" profile:o "$profile_system" bootedSystem:o "$booted_system"
  after_json=$REPLY
  json_object rev:o "${was[release.rev]-}" subject:o "${was[release.subject]-}"
  json_object at:j "$EPOCHSECONDS" id:s "$1" mode:s "${was[mode]-switch}" outcome:s cut-off toplevel:o "${was[toplevel]-}" previous:o "$before" \
    release:j "$REPLY" by:j "$by_json" executor:o "$card_executor" failedStep:o "$status_step" \
    reason:s "It was cut off in step ${status_step:-start}: killed, or the power was cut." \
    startedAt:j "${card_at:-null}" finishedAt:j "$last" steps:j '[]' before:j null after:j "$after_json" diagnosticsFile:j null units:j null backup:j null
  append_record "$1" "$REPLY"
}

# append_record ID LINE: what finds no room on the disk waits in memory for the next one.
append_record() {
  local lock late lines=''
  {
    mkdir -p -- "$STATE" "$VOLATILE" && exec {lock}>>"$STATE/lock" && flock --timeout 20 "$lock"
  } 2>/dev/null || return 1
  for late in "$VOLATILE"/*.record; do
    if [[ -s $late && $late != "$VOLATILE/$1.record" ]]; then lines+=$(<"$late")$'\n'; fi
  done
  lines+=$2$'\n'
  # A line cut short by a power cut, or filled with zeros, must not swallow this one.
  if [[ -s $LEDGER && $(tail -c 1 -- "$LEDGER" 2>/dev/null | tr '\000' .; printf .) != $'\n.' ]]; then lines=$'\n'$lines; fi
  if { printf %s "$lines" >>"$LEDGER" && sync -- "$LEDGER"; } 2>/dev/null; then
    rm -f -- "$VOLATILE"/*.record
    rotate_ledger || note "The ledger $LEDGER could not be shortened."
    exec {lock}>&-
  else
    exec {lock}>&-
    write_file "$VOLATILE/$1.record" "$2" || true
    return 1
  fi
}

# rotate_ledger: the newest records stay, and always the last one of a release that stayed.
rotate_ledger() {
  local lines bytes last
  read -r lines bytes < <(wc -lc <"$LEDGER") || return 0
  ((lines > LEDGER_RECORDS || bytes > LEDGER_BYTES)) || return 0
  last_commit "$LEDGER" || true
  last=$REPLY
  {
    if ((bytes > LEDGER_BYTES)); then tail -c "$LEDGER_BYTES" -- "$LEDGER" | tail -n +2; else cat -- "$LEDGER"; fi |
      tail -n "$LEDGER_RECORDS" >"$LEDGER.new" || return
    if [[ $last ]] && ! grep -qaxF -- "$last" "$LEDGER.new"; then
      { printf '%s\n' "$last"; tail -n +2 -- "$LEDGER.new"; } >"$LEDGER.newer" && mv -fT -- "$LEDGER.newer" "$LEDGER.new" || return
    fi
    sync -- "$LEDGER.new" && mv -fT -- "$LEDGER.new" "$LEDGER" && sync -- "$STATE"
  } 2>/dev/null
}
