# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Waits with somebody who follows a job.

# watch ID: REPLY is what the job has to tell: as soon as it is something new ([seen]), at the latest after [waitSeconds].
# Small news wait until [settleSeconds] are over; the end and what the operator has to do something for do not.
watch() {
  local id=$1 seen=${arg[seen]:-0} wait=${arg[waitSeconds]:-0} settle=${arg[settleSeconds]:-0} dir=$STATE/jobs/$1 deadline settled
  if [[ ! -d $dir ]]; then
    tell absent null null
    return
  fi
  now
  deadline=$REPLY settled=$REPLY
  micros "$wait"
  deadline=$((deadline + REPLY))
  micros "$settle"
  settled=$((settled + REPLY))
  while :; do
    if finished; then return; fi
    read_status "$dir"
    now
    if ((REPLY >= deadline)); then break; fi
    if ((status_version != seen)) && { ((REPLY >= settled)) || awaits_operator; }; then break; fi
    nap 0.05
  done
  tell running null null
}

# awaits_operator: is there something to decide, and nobody has?
awaits_operator() {
  [[ $status_step == await-confirmation && ! -e $VOLATILE/$id.decision ]]
}

check_watch() {
  require_seconds waitSeconds "${arg[waitSeconds]:-0}"
  require_seconds settleSeconds "${arg[settleSeconds]:-0}"
  [[ ${arg[seen]:-0} =~ ^[0-9]{1,12}$ ]] || fail bad-argument "[seen] is not a version number."
}

# finished: tells the end of the job, if it has come.
finished() {
  local code=null
  if read_end; then
    tell finished "$result" "$code"
  elif job_alive "$dir" || in_unit; then
    return 1
  elif read_end; then
    # It ended while we looked.
    tell finished "$result" "$code"
  else
    tell lost null null
  fi
}

read_end() {
  result=null
  if [[ -e $dir/exit ]]; then read -r code <"$dir/exit" || code=null; fi
  if read_result "$dir"; then
    result=$REPLY
  else
    [[ $code != null ]]
  fi
}

# in_unit: does systemd hold it? For a moment at its start the process has no number yet, or no name.
in_unit() {
  local -a young=()
  mapfile -t young < <(systemctl list-units --plain --no-legend --no-pager --state=active,activating -- 'nixos-promote-*.service')
  [[ "${young[*]}"$'\n' == *"nixos-promote job $id"[$' \n']* ]]
}

# tell STATE RESULT EXIT
tell() {
  local message=null fields={} tail=null
  read_status "$dir"
  # Our own line, written by `status`.
  if [[ $status_json =~ ^\{\"version\":[0-9]+,\"step\":\"[^\"]*\",\"message\":(.*),\"fields\":(\{.*\}),\"since\":[0-9]+,\"at\":[0-9]+\}$ ]]; then
    message=${BASH_REMATCH[1]} fields=${BASH_REMATCH[2]}
  fi
  if [[ $1 == lost || $1 == finished && $2 == null ]]; then
    json_string "$(tail -c 4000 -- "$dir/log" 2>/dev/null | tr -d '\000')"
    tail=$REPLY
  fi
  json_object state:s "$1" version:j "$status_version" step:o "$status_step" message:j "$message" fields:j "$fields" \
    result:j "$2" exitCode:j "$3" logTail:j "$tail"
}
