# needs: json.sh lib.sh jobs.sh watch.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Starts a job in a transient unit of its own: whoever started it may go away.
# May be repeated: the same id never runs twice. One unit name runs one job at a time.

readonly KEEP_JOBS=20

main() {
  local id unit timeout dir
  arg_get id && id=$REPLY
  require_name id "$id"
  arg_get unit && unit=$REPLY
  [[ $unit =~ ^nixos-promote-[A-Za-z0-9._-]{1,200}(\.service)?$ ]] || {
    quote "$unit"
    fail bad-argument "[unit] must begin with 'nixos-promote-' and hold no other characters than letters, digits, '.', '_' and '-': $REPLY."
  }
  unit=${unit%.service}.service
  arg_get timeoutSeconds && timeout=$REPLY
  require_seconds timeoutSeconds "$timeout"
  arg_get script
  arg_get argument
  check_watch
  dir=$STATE/jobs/$id

  # Two deliveries of one command may run at the same moment.
  local lock
  if ! { mkdir -p -- "$STATE/jobs" && exec {lock}>>"$STATE/lock"; } 2>/dev/null; then
    fail no-space "The host cannot write to $STATE." "Is the disk full, or the file system read-only?"
  fi
  flock --timeout 20 "$lock" || fail busy "Another command has been starting a job for 20 seconds." "Try again."

  unit_holder "$unit"
  wait_for_end "$unit"
  if has_run "$dir" || [[ $holder == "$id" && $holder_state =~ ^(active|activating|deactivating)$ ]]; then
    started false "$id"
    return
  fi
  case $holder_state in
    active | activating | deactivating | reloading) refuse_busy ;;
    failed)
      note "The unit $unit is left over from an earlier job that failed; it is reset."
      systemctl reset-failed -- "$unit" || true
      ;;
  esac
  write_job "$dir"
  # Before the launch: an activation puts on record what was cut off before it, from the directory of that.
  prune_jobs "$dir"
  launch "$id" "$unit" "$timeout" "$dir"
  started true "$id"
}

# A job that has told its result needs a moment more until systemd lets go of its unit.
wait_for_end() {
  local tries=0
  while [[ $holder && $holder_state != inactive && $holder_state != failed && -e $STATE/jobs/$holder/exit ]] && ((tries++ < 100)); do
    nap 0.05
    unit_holder "$1"
  done
}

has_run() {
  [[ -e $1/launched || -e $1/status.json || -e $1/exit ]] || job_alive "$1" || read_result "$1"
}

# started BY-THIS-CALL ID: the first news with it, which spares a question.
started() {
  exec {lock}>&-
  watch "$2"
  answer "{\"started\":$1,\"id\":\"$2\",${REPLY:1}"
}

refuse_busy() {
  local holder_json
  if [[ ! $holder ]]; then fail busy "The host is busy: the unit $unit runs, and no job of ours is in it."; fi
  job_to_json "$holder"
  holder_json=$REPLY
  busy_sentence "$holder"
  fail busy "$REPLY Nothing was changed." "Wait until it has ended, and run again." details:j "$holder_json"
}

# Descriptor 4 is the journal; everything else goes to the log file. No pipe: a reader that dies would take the job with it.
# A file, because systemd would expand a $ in its own command line.
# shellcheck disable=SC2016 # expanded by the shell in the unit
readonly LAUNCH='cd -- "${0%/*}"
echo $$ >pid
exec 4>&2
exec "$BASH" "$PWD/script" <argument >>log 2>&1
'

write_job() {
  rm -rf -- "$1"
  if ! {
    mkdir -m 0700 -- "$1" && umask 077 &&
      printf %s "${arg[script]}" >"$1/script" &&
      printf %s "${arg[argument]}" >"$1/argument" &&
      printf %s "$LAUNCH" >"$1/launch" &&
      write_card "$1"
  } 2>/dev/null; then
    fail no-space "The host cannot write the job to $1." "Is the disk full?"
  fi
  umask 022
}

launch() {
  local id=$1 unit=$2 timeout=$3 dir=$4 bash=$BASH output
  if [[ $bash != /* ]]; then bash=$(type -P bash); fi
  # Time to stop is time to roll back. The default dependencies would put the job after basic.target: while it is
  # being stopped, a rollback that starts the targets would wait for the end of the job, and the job for the rollback.
  local -a properties=(
    --property=DefaultDependencies=no --property=Conflicts=shutdown.target --property=Before=shutdown.target
    --property=KillMode=mixed --property=OOMPolicy=continue
    --property="RuntimeMaxSec=${timeout}s" --property="TimeoutStopSec=${timeout}s"
    --property=StandardInput=null --property=StandardOutput=journal --property=StandardError=journal
    --property=SyslogIdentifier=nixos-promote
  )
  output=$(systemd-run --quiet --unit="$unit" --description="nixos-promote job $id" --service-type=exec \
    --working-directory=/ --setenv=PATH="$PATH" --setenv=HOME="$HOME" --setenv=NIXOS_PROMOTE_JOB="$dir" "${properties[@]}" -- \
    "$bash" "$dir/launch" 2>&1 </dev/null) || {
    quote "$output"
    rm -rf -- "$dir"
    fail start-failed "systemd did not start the unit $unit: $REPLY." "See 'systemctl status $unit' on the host."
  }
  : >"$dir/launched"
}

prune_jobs() {
  local dir last=''
  local -a dirs=("$STATE"/jobs/*/)
  if ((${#dirs[@]} <= KEEP_JOBS)); then return 0; fi
  # What an interrupted activation has left is told until the next one.
  if [[ -e $STATE/activation ]]; then read -r last <"$STATE/activation" || true; fi
  mapfile -t dirs < <(cd -- "$STATE/jobs" && ls -t)
  for dir in "${dirs[@]:KEEP_JOBS}"; do
    dir=$STATE/jobs/$dir
    if [[ $dir != "$1" && $dir != "$STATE/jobs/$last" ]] && ! job_alive "$dir"; then
      rm -rf -- "$dir" "$VOLATILE/${dir##*/}".{decision,status.json,result.json,diagnostics.txt} || note "$dir could not be removed."
    fi
  done
}

main
