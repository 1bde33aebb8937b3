# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Units of systemd: one call for all of them.

declare -A unit=()
declare -a runs=()
unit_closure=

# list_failed_units: failed ones and those that systemd keeps restarting, one name a line, without our own jobs.
list_failed_units() {
  local name
  systemctl list-units --all --plain --no-legend --no-pager --state=failed,auto-restart,auto-restart-queued |
    while read -r name _; do
      if [[ $name != nixos-promote-* ]]; then printf '%s\n' "$name"; fi
    done
}

# read_units [NAME]...: fills unit["NAME Property"].
read_units() {
  local line index=0
  local -a names=("$@")
  (($#)) || return 0
  # The answers come in the order of the names, with an empty line between.
  while IFS= read -r line; do
    if [[ ! $line ]]; then
      index=$((index + 1))
    elif [[ $line == *=* ]]; then
      unit[${names[index]} ${line%%=*}]=${line#*=}
    fi
  done < <(systemctl show -p LoadState,ActiveState,SubState,Result,FragmentPath,DropInPaths,NeedDaemonReload,MainPID,NRestarts,Description -- "$@")
}

# unit_runs NAME: sets runs to the store paths that the main process was started from.
unit_runs() {
  local pid=${unit[$1 MainPID]-0} text='' word
  runs=()
  if [[ ! $pid =~ ^[1-9][0-9]*$ ]]; then return 0; fi
  text=$(readlink -- "/proc/$pid/exe" 2>/dev/null) || true
  text+=$'\n'
  { while IFS= read -r -d '' word; do text+=$word$'\n'; done </proc/"$pid"/cmdline; } 2>/dev/null || true
  store_paths_in "$text"
}

# store_paths_in TEXT: sets runs to the different store paths named in TEXT.
store_paths_in() {
  local rest=$1 seen=$'\n'
  runs=()
  while [[ $rest =~ /nix/store/[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+._?=-]+ ]]; do
    rest=${rest#*"${BASH_REMATCH[0]}"}
    if [[ $seen != *$'\n'"${BASH_REMATCH[0]}"$'\n'* ]]; then
      seen+=${BASH_REMATCH[0]}$'\n'
      runs+=("${BASH_REMATCH[0]}")
    fi
  done
}

# runs_in_closure: is every path of runs in unit_closure (one path a line)?
runs_in_closure() {
  local path
  for path in "${runs[@]}"; do
    [[ $'\n'$unit_closure == *$'\n'"$path"$'\n'* ]] || return 1
  done
}
