# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Units of systemd: one call for all of them.

declare -A unit=()
declare -a runs=()
unit_closure=

# failed_units: REPLY lists the failed units and those that systemd keeps restarting, one a line, without our own jobs.
failed_units() {
  local fd
  exec {fd}< <(failed_units_command)
  read_failed_units "$fd"
}

# read_failed_units FD: the same, from a failed_units_command that has been started already.
read_failed_units() {
  local name fd=$1 out=''
  while read -r name _ <&"$fd"; do
    if [[ $name != nixos-promote-* ]]; then out+=${out:+$'\n'}$name; fi
  done
  exec {fd}<&-
  REPLY=$out
}

failed_units_command() {
  exec systemctl list-units --all --plain --no-legend --no-pager --state=failed,auto-restart,auto-restart-queued
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
  done < <(systemctl show -p LoadState,ActiveState,SubState,Result,FragmentPath,DropInPaths,NeedDaemonReload,MainPID,NRestarts,Description,InvocationID,StateChangeTimestampMonotonic -- "$@")
}

# read_executables: fills unit["NAME exe"], the program of each main process, by one call. NAMEs as in read_units.
read_executables() {
  local name path target
  local -a links=()
  local -A owner=()
  for name; do
    path=/proc/${unit[$name MainPID]-0}/exe
    if [[ $path != /proc/0/exe ]]; then links+=("$path") owner[$path]+=" $name"; fi
  done
  if ((!${#links[@]})); then return 0; fi
  while IFS=$'\t' read -r path target; do
    for name in ${owner[$path]}; do unit[$name exe]=$target; done
  done < <(find "${links[@]}" -maxdepth 0 -printf '%p\t%l\n' 2>/dev/null)
}

# unit_runs NAME: sets runs to the store paths that the main process was started from. Needs read_executables.
unit_runs() {
  local pid=${unit[$1 MainPID]-0} text=${unit[$1 exe]-} word
  if [[ $pid =~ ^[1-9][0-9]*$ ]]; then
    { while IFS= read -r -d '' word; do text+=$'\n'$word; done </proc/"$pid"/cmdline; } 2>/dev/null || true
  fi
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
