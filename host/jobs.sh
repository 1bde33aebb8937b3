# shellcheck shell=bash disable=SC2034,SC2153
# What is known of a job, seen from outside it.

# read_status DIR: sets status_version, status_step and status_json of a job.
read_status() {
  status_version=0 status_step='' status_json=''
  if [[ -e $1/status.json ]] && IFS= read -r status_json <"$1/status.json" &&
    [[ $status_json =~ ^\{\"version\":([0-9]+),\"step\":\"([^\"]*)\" ]]; then
    status_version=${BASH_REMATCH[1]}
    status_step=${BASH_REMATCH[2]}
  fi
}

# read_result DIR: REPLY is the result of a job; false if it has none.
read_result() {
  local file
  for file in "$1/result.json" "$VOLATILE/${1##*/}.result.json"; do
    if [[ -e $file ]] && IFS= read -r REPLY <"$file"; then return 0; fi
  done
  return 1
}

# job_alive DIR: is a process running the script of this very job?
job_alive() {
  local pid
  local -a command=()
  [[ -e $1/pid ]] && read -r pid <"$1/pid" && [[ $pid && -e /proc/$pid/cmdline ]] || return 1
  # A process id alone may belong to somebody else after a reboot.
  { mapfile -d '' -t command <"/proc/$pid/cmdline"; } 2>/dev/null || return 1
  [[ ${command[1]:-} == "$1/script" ]]
}

# unit_holder UNIT: sets holder_state and holder (the job that a transient unit runs).
unit_holder() {
  local line
  holder='' holder_state=inactive
  while IFS= read -r line; do
    case $line in
      ActiveState=*) holder_state=${line#*=} ;;
      Description='nixos-promote job '*) holder=${line#*'nixos-promote job '} ;;
    esac
  done < <(systemctl show -p ActiveState,Description -- "$1")
}
