# shellcheck shell=bash disable=SC2034,SC2153
# What is known of a job, seen from outside it.

# read_status DIR: sets status_version, status_step, status_since (when the step began) and status_json of a job.
read_status() {
  local file line
  status_version=0 status_step='' status_since='' status_json=''
  # In memory is what found no room on the disk.
  for file in "$1/status.json" "$VOLATILE/${1##*/}.status.json"; do
    if [[ -e $file ]] && IFS= read -r line <"$file" &&
      [[ $line =~ ^\{\"version\":([0-9]+),\"step\":\"([^\"]*)\" ]] && ((BASH_REMATCH[1] > status_version)); then
      status_json=$line status_version=${BASH_REMATCH[1]} status_step=${BASH_REMATCH[2]}
    fi
  done
  if [[ $status_json =~ \"since\":([0-9]+),\"at\":[0-9]+\}$ ]]; then status_since=${BASH_REMATCH[1]}; fi
}

# write_card DIR: who starts the job and what for, from the argument of `start`; one line each, for read_card.
write_card() {
  local key text=''
  for key in by.user by.host by.pid by.stack what path contract; do
    REPLY=${arg[$key]-}
    REPLY=${REPLY:0:200}
    text+=${REPLY//[$'\x01'-$'\x1f\x7f']/ }$'\n'
  done
  REPLY=${arg[executor]-}
  printf '%s%s\n%s\n' "$text" "$EPOCHSECONDS" "${REPLY//[!A-Za-z]/}" >"$1/card"
}

# read_card DIR: sets card_user, card_host, card_pid, card_stack, card_what, card_path, card_contract, card_at and
# card_executor (the kind of way on which it came); empty if unknown.
read_card() {
  local -a card=()
  if [[ -e $1/card ]]; then mapfile -t card <"$1/card"; fi
  card_user=${card[0]-} card_host=${card[1]-} card_pid=${card[2]-} card_stack=${card[3]-}
  card_what=${card[4]-} card_path=${card[5]-} card_contract=${card[6]-} card_at=${card[7]-} card_executor=${card[8]-}
}

# job_to_json ID: who started a job, what for, and where it is.
job_to_json() {
  local by=null dir=$STATE/jobs/$1
  read_card "$dir"
  read_status "$dir"
  if [[ $card_user$card_host ]]; then
    json_object user:s "$card_user" host:s "$card_host" pid:s "$card_pid" stack:s "$card_stack"
    by=$REPLY
  fi
  json_object id:s "$1" by:j "$by" what:o "$card_what" path:o "$card_path" contract:o "$card_contract" \
    startedAt:j "${card_at:-null}" step:o "$status_step" since:j "${status_since:-null}"
}

# busy_sentence ID: who keeps the host busy, since when, doing what.
busy_sentence() {
  local dir=$STATE/jobs/$1 who since
  read_card "$dir"
  read_status "$dir"
  who=${card_user:-somebody}${card_host:+@$card_host}
  if [[ $card_pid || $card_stack ]]; then who+=" (process ${card_pid:-unknown}${card_stack:+, stack $card_stack})"; fi
  time_of "${card_at:-}" && who+=" at $REPLY"
  time_of "$status_since" && since=" since $REPLY"
  REPLY="${HOSTNAME:-The host} is busy with $1${card_what:+ ($card_what)}, started by $who: it is at the step '${status_step:-start}'${since-}."
}

# time_of SECONDS: as people write it; false if it is not known.
time_of() {
  [[ $1 =~ ^[0-9]{1,12}$ ]] && TZ=UTC0 printf -v REPLY '%(%Y-%m-%d %H:%M:%S UTC)T' "$1"
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
  [[ ${command[1]:-} == "$1/script" || ${command[1]:-} == "$1/launch" ]]
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
