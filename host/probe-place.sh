# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Where a probe is tried, whether at all, and how its command is run. Uses the variables of probe_watch, as probe-kinds.sh does.

readonly CAPTURE_BYTES=65536
CAPTURED=

# capture first|last COMMAND...: runs it on the host, or behind the prefix of the probe, and gives its exit code. CAPTURED is
# the first part of stdout, after which it is cut off, with stderr in $file.error; or the last part of both.
# `timeout` also keeps it from being a builtin.
capture() {
  local keep=$1 fd pid chunk code
  shift
  CAPTURED=
  if [[ $keep == first ]]; then
    exec {fd}< <(exec timeout --kill-after=2 "$limit" "${place[@]}" "$@" </dev/null 2>"$file.error" 3>&- 4>&-)
  else
    exec {fd}< <(
      unset LC_ALL NIXOS_PROMOTE_JOB
      exec timeout --kill-after=2 "$limit" "${place[@]}" "$@" </dev/null 2>&1 3>&- 4>&-
    )
  fi
  pid=$!
  while :; do
    code=0 chunk=''
    IFS= read -r -t 0.5 -N "$CAPTURE_BYTES" -u "$fd" chunk || code=$?
    CAPTURED+=$chunk
    if [[ $keep == first ]]; then
      if ((${#CAPTURED} >= CAPTURE_BYTES)); then break; fi
    else
      last_bytes "$CAPTURED" 2000
      CAPTURED=$REPLY
    fi
    if ((code == 0)); then continue; fi
    # The end; or silence, and only a grandchild still holds the pipe.
    if ((code <= 128)) || ! kill -0 "$pid" 2>/dev/null; then break; fi
  done
  exec {fd}<&-
  code=0
  wait "$pid" || code=$?
  return "$code"
}

# error_line: the first line that `capture first` saw on stderr.
error_line() {
  REPLY=
  if [[ -e $file.error ]]; then IFS= read -r REPLY <"$file.error" || true; fi
  first_bytes "$REPLY" 200
}

# probe_place INDEX: sets place, the prefix of its commands; false, with ANSWER, if that place is not there.
probe_place() {
  local key=probes.$1
  arg_list "$key.place" place
  if [[ ${arg[$key.namespace.path]+set} ]]; then
    REPLY=${arg[$key.namespace.path]}
    [[ -e $REPLY ]] || {
      ANSWER="there is no network namespace $REPLY"
      return 1
    }
  elif [[ ${arg[$key.namespace.unit]+set} ]]; then
    namespace_of "${arg[$key.namespace.unit]}" || return 1
  else
    return 0
  fi
  place=(nsenter "--net=$REPLY" -- "${place[@]}")
}

# namespace_of UNIT: REPLY is the network namespace of its process. systemd-nspawn itself stays in the host's: then that of
# its child, the container.
namespace_of() {
  local name pid='' child=''
  local -a children=()
  require_unit unit "$1"
  name=$REPLY
  pid=$(timeout --kill-after=2 5 systemctl show --value -p MainPID -- "$name" </dev/null 2>/dev/null) || pid=
  [[ $pid =~ ^[1-9] ]] || {
    ANSWER="$name has no process, so it has no network namespace"
    return 1
  }
  if [[ /proc/$pid/ns/net -ef /proc/self/ns/net ]]; then
    { read -r -a children <"/proc/$pid/task/$pid/children"; } 2>/dev/null || true
    for child in "${children[@]}"; do
      if [[ ! /proc/$child/ns/net -ef /proc/self/ns/net ]]; then pid=$child && break; fi
    done
  fi
  REPLY=/proc/$pid/ns/net
}

# is_skipped: is the unit that the probe is about not running, and not even failed? A failed one is no reason to look away.
is_skipped() {
  local unit line load='' state=''
  local -a place=()
  if [[ ! ${arg[$p.onlyIfActive]+set} ]]; then return 1; fi
  require_unit "$p.onlyIfActive" "${arg[$p.onlyIfActive]}"
  unit=$REPLY
  capture first systemctl show -p LoadState,ActiveState -- "$unit" || true
  while IFS= read -r line; do
    case $line in
      LoadState=*) load=${line#*=} ;;
      ActiveState=*) state=${line#*=} ;;
    esac
  done <<<"$CAPTURED"
  ANSWER="skipped: $unit is $state"
  if [[ $load == not-found ]]; then ANSWER="skipped: there is no unit $unit"; fi
  [[ $state == inactive ]]
}
