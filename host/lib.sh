# shellcheck shell=bash disable=SC2034
# Common ground of all host scripts: reads the argument, writes the answer, keeps the state of jobs.
#
# A command runs in one of two ways, with the same bytes:
#   over an executor  stdin carries the argument, one line of JSON goes to stdout
#   as a job          (NIXOS_PROMOTE_JOB names its directory) progress goes to status.json, the answer to result.json
set -euo pipefail
shopt -s inherit_errexit

# Bytes are bytes, and messages of tools are not translated.
export LC_ALL=C
# ssh without a login shell, cloud agents and transient units have next to nothing on PATH.
PATH=${PATH:+$PATH:}/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH HOME=${HOME:-/root}

# The answer leaves on descriptor 3 only, so that stray output of a tool cannot spoil it.
exec 3>&1 1>&2
cd /

readonly STATE=/var/lib/nixos-promote
readonly VOLATILE=/run/nixos-promote
readonly ROOTS=/nix/var/nix/gcroots/nixos-promote
readonly PROFILE=/nix/var/nix/profiles/system
# The system for which the boot loader was last to be written, until that has succeeded.
readonly BOOT_UNPROVEN=$STATE/boot-unproven
readonly ACTIVATION_UNIT=nixos-promote-activate.service
readonly STORE_PATH='^/nix/store/[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+._?=-]+$'
# Its parameters are those that say where and in which form: others would turn the check of signatures off.
readonly CACHE_PARAMETER='(region|endpoint|profile|scheme|compression|compression-level)=[A-Za-z0-9._:/-]*'
readonly CACHE_URL="^(https?://[][A-Za-z0-9]|file:///|s3://[A-Za-z0-9])[][A-Za-z0-9._~:/%+-]*(\\?$CACHE_PARAMETER(&$CACHE_PARAMETER)*)?\$"
readonly UNIT_NAME='^[A-Za-z0-9:_.@\-]+$'

# Functions that compute a value leave it here: a $(...) would cost a process each time.
REPLY=

# ---- the argument ---------------------------------------------------------------------------

declare -A arg=()
declare -a arg_keys=()

# Fills `arg` from stdin: lines of key, tab, value, in which \\ \n \t \r are the only escapes.
read_argument() {
  local chunk='' all='' line key value
  # -N reads in blocks, a plain `read` costs one system call per byte on a pipe.
  while IFS= read -r -N 65536 chunk; do all+=$chunk; done
  all+=$chunk
  local IFS=$'\n'
  set -f
  # shellcheck disable=SC2206 # split at newlines on purpose; globbing is off
  local lines=($all)
  set +f
  for line in "${lines[@]}"; do
    [[ $line == *$'\t'* ]] || fail bad-argument "The argument has a line without a tab."
    key=${line%%$'\t'*}
    value=${line:${#key}+1}
    if [[ $line == *\\* ]]; then
      printf -v key %b "$key"
      printf -v value %b "$value"
    fi
    [[ $key ]] || fail bad-argument "The argument has a line without a key."
    arg[$key]=$value
    arg_keys+=("$key")
  done
}

# arg_get KEY: the value of a required key.
arg_get() {
  [[ ${arg[$1]+set} ]] || fail bad-argument "The argument [$1] is missing."
  REPLY=${arg[$1]}
}

# arg_list KEY ARRAY: key.0, key.1, ... (key.length of them) into ARRAY.
arg_list() {
  local -n _list=$2
  local _i _length=${arg[$1.length]:-0}
  [[ $_length =~ ^[0-9]{1,6}$ ]] || fail bad-argument "The argument [$1.length] is not a number."
  _list=()
  for ((_i = 0; _i < _length; _i++)); do
    arg_get "$1.$_i"
    _list+=("$REPLY")
  done
}

# arg_names KEY ARRAY: the member names of the object KEY into ARRAY. Names may hold dots.
arg_names() {
  local -n _names=$2
  local _key
  _names=()
  for _key in "${arg_keys[@]}"; do
    if [[ $_key == "$1".?* ]]; then _names+=("${_key#"$1".}"); fi
  done
}

# ---- checks of values -----------------------------------------------------------------------

# require_store_path PROPERTY VALUE
require_store_path() {
  [[ $2 =~ $STORE_PATH ]] || {
    quote "$2"
    fail bad-argument "[$1] is not a store path: $REPLY."
  }
}

# require_unit PROPERTY VALUE: REPLY is the name with its suffix.
require_unit() {
  # A name with * or ? would be a pattern to systemctl.
  [[ $2 =~ $UNIT_NAME ]] || {
    quote "$2"
    fail bad-argument "[$1] is not the name of a unit: $REPLY."
  }
  REPLY=$2
  case $2 in
    *.service | *.socket | *.target | *.timer | *.mount | *.automount | *.path | *.slice | *.scope | *.swap | *.device) ;;
    *) REPLY=$2.service ;;
  esac
}

# require_cache_url PROPERTY VALUE: the URL of a binary cache.
require_cache_url() {
  [[ $2 =~ $CACHE_URL ]] || {
    quote "$2"
    fail bad-argument "[$1] is not the URL of a binary cache: $REPLY."
  }
}

# require_public_key PROPERTY VALUE
require_public_key() {
  [[ $2 =~ ^[A-Za-z0-9._-]+:[A-Za-z0-9+/=]+$ ]] || fail bad-argument "[$1] is not a public key."
}

# require_name PROPERTY VALUE: one file name of harmless characters.
require_name() {
  [[ $2 =~ ^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$ ]] || {
    quote "$2"
    fail bad-argument "[$1] may hold letters, digits, '.', '_' and '-' only, and must not start with '.' or '-': $REPLY."
  }
}

# require_directory PROPERTY VALUE: an absolute path in its plainest form.
require_directory() {
  [[ $2 == /?* && $2 != *[[:cntrl:]]* && $2/ != *//* && $2/ != */./* && $2/ != */../* ]] || {
    quote "$2"
    fail bad-argument "[$1] is not an absolute path: $REPLY."
  }
}

# require_seconds PROPERTY VALUE: a number of seconds, decimals allowed.
require_seconds() {
  [[ $2 =~ ^[0-9]{1,9}(\.[0-9]{1,9})?$ ]] || {
    quote "$2"
    fail bad-argument "[$1] is not a number of seconds: $REPLY."
  }
}

# quote TEXT: a short, printable form for messages.
quote() {
  local text=${1:0:120}
  if ((${#1} > 120)); then text+=...; fi
  REPLY="'${text//[^ -~]/?}'"
}

# first_bytes TEXT COUNT: no more than COUNT bytes, and no character of several bytes cut in two.
first_bytes() {
  REPLY=${1:0:$2}
  if ((${#1} <= $2)); then return 0; fi
  case $REPLY in
    *[$'\xc0'-$'\xf7']) REPLY=${REPLY%?} ;;
    *[$'\xe0'-$'\xf7'][$'\x80'-$'\xbf']) REPLY=${REPLY%??} ;;
    *[$'\xf0'-$'\xf7'][$'\x80'-$'\xbf'][$'\x80'-$'\xbf']) REPLY=${REPLY%???} ;;
  esac
}

# last_bytes TEXT COUNT: the same from the end.
last_bytes() {
  REPLY=$1
  # A negative offset beyond the beginning would give nothing.
  if ((${#1} <= $2)); then return 0; fi
  REPLY=${1: -$2}
  while [[ $REPLY == [$'\x80'-$'\xbf']* ]]; do REPLY=${REPLY:1}; done
}

# ---- the answer -----------------------------------------------------------------------------

# answer JSON: the result of the command.
answer() {
  if [[ ! $JOB ]]; then
    printf '%s\n' "$1" >&3
  elif ! { write_file "$JOB/result.json" "$1" && sync -- "$JOB/result.json" "$JOB"; }; then
    # The disk may be full: the verdict must be readable all the same.
    mkdir -p -- "$VOLATILE" && write_file "$VOLATILE/${JOB##*/}.result.json" "$1"
  fi
}

# The message of `fail`, for `cleanup`.
failure=

# fail CODE MESSAGE [HINT] [NAME:KIND VALUE]...: ends the script with an error it knows.
fail() {
  local code=$1 message=$2 hint=${3:-}
  failure=$message
  shift $(($# < 3 ? $# : 3))
  json_object code:s "$code" message:s "$message" hint:s "$hint" "$@"
  note "$code: $message"
  answer "{\"error\":$REPLY}"
  exit 0
}

# note TEXT: one line for people; of a job to its log and to the journal.
note() {
  printf '%s\n' "$1" >&2 2>/dev/null || true
  if [[ $JOB ]]; then printf '%s\n' "$1" >&4 2>/dev/null || true; fi
}

# write_file PATH TEXT: readers see the old text or the new one, never a part.
write_file() {
  { printf '%s\n' "$2" >"$1.new"; } 2>/dev/null && mv -fT -- "$1.new" "$1"
}

# exclusive_file PATH TEXT: creates PATH; false if somebody else was first.
exclusive_file() {
  local made=1
  if { printf '%s\n' "$2" >"$1.$BASHPID"; } 2>/dev/null && ln -T -- "$1.$BASHPID" "$1" 2>/dev/null; then made=0; fi
  rm -f -- "$1.$BASHPID"
  return "$made"
}

# decision_file ID: REPLY is where the one decision about an activation stands: confirmed, cancelled, expired or unasked.
# In memory, so that a full disk cannot keep it from falling; after a reboot it means nothing.
decision_file() {
  mkdir -p -- "$VOLATILE"
  REPLY=$VOLATILE/$1.decision
}

# ---- jobs -----------------------------------------------------------------------------------

JOB=${NIXOS_PROMOTE_JOB:-}
job_version=0
job_step=
job_step_at=0
# While it is set, `status` only remembers its news there: each that is written costs a process.
declare -a news=()
gather_news=

# status STEP MESSAGE [NAME VALUE]...: what the job is doing now, for those who follow it.
status() {
  if [[ $gather_news ]]; then
    news=("$@")
    return
  fi
  local step=$1 message=$2 fields=''
  shift 2
  if [[ $step != "$job_step" ]]; then
    note "[$step] $message"
    job_step_at=$EPOCHSECONDS
  fi
  [[ $JOB ]] || return 0
  job_step=$step
  job_version=$((job_version + 1))
  while (($# > 0)); do
    json_string "$2"
    json_member "$1" "$REPLY"
    fields+=$REPLY
    shift 2
  done
  json_object version:j "$job_version" step:s "$step" message:s "$message" fields:j "{${fields:1}}" \
    since:j "$job_step_at" at:j "$EPOCHSECONDS"
  # A full disk must neither stop an activation nor hide where it stands.
  write_file "$JOB/status.json" "$REPLY" || write_file "$VOLATILE/${JOB##*/}.status.json" "$REPLY" || true
}

# ---- time -----------------------------------------------------------------------------------

# now: microseconds on a clock that nobody sets, for durations and deadlines.
now() {
  read -r REPLY _ </proc/uptime
  REPLY=$((10#${REPLY/./} * 10000))
}

# micros SECONDS: decimal seconds as microseconds.
micros() {
  local whole=${1%%.*} part=
  if [[ $1 == *.* ]]; then part=${1#*.}; fi
  part=${part}000000
  REPLY=$((10#${whole:-0} * 1000000 + 10#${part:0:6}))
}

# seconds MICROS: microseconds as decimal seconds.
seconds() {
  local micro=$(($1 < 0 ? 0 : $1))
  printf -v REPLY '%d.%03d' $((micro / 1000000)) $((micro % 1000000 / 1000))
}

# nap SECONDS: sleeps without a process.
nap() {
  if [[ ! ${nap_fd:-} ]]; then exec {nap_fd}<> <(:); fi
  read -r -t "$1" -u "$nap_fd" _ || true
}

# ---- life and death of the script -----------------------------------------------------------

# A command may define `cleanup CODE COMMAND`: how it ended, and at what.
on_exit() {
  local code=$? last=$BASH_COMMAND
  trap - EXIT
  if declare -F cleanup >/dev/null; then cleanup "$code" "$last" || true; fi
  if [[ $JOB ]]; then
    write_file "$JOB/exit" "$code" || true
  fi
  exit "$code"
}

begin() {
  umask 022
  if [[ $JOB ]]; then
    # Descriptor 4 is the journal; the log file has been opened by the launcher.
    { : >&4; } 2>/dev/null || exec 4>/dev/null
  fi
  trap on_exit EXIT
  read_argument
}

begin
