# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Runs a long command of Nix and shows its progress from what it writes.

NIX_LOG=''
nix_pid=''

# watch_nix FUNCTION COMMAND...: FUNCTION gets each line of the log; the result is the command's.
watch_nix() {
  local show=$1 line rest='' code=0 log_fd told_at=0
  shift
  NIX_LOG=$JOB/nix.log
  : >"$NIX_LOG"
  "$@" >"$JOB/output" 2>>"$NIX_LOG" </dev/null &
  nix_pid=$!
  exec {log_fd}<"$NIX_LOG"
  while :; do
    # The end must be looked for before the lines, or the last ones are lost.
    if kill -0 "$nix_pid" 2>/dev/null; then line=alive; else line=gone; fi
    local state=$line
    gather_news=yes
    while IFS= read -r line <&"$log_fd"; do
      line=$rest$line rest=''
      "$show" "$line"
    done
    rest+=$line
    gather_news=''
    # Nobody follows more closely, and each costs a process.
    if ((${#news[@]})) && [[ $state == gone || $EPOCHSECONDS != "$told_at" ]]; then
      told_at=$EPOCHSECONDS
      status "${news[@]}"
      news=()
    fi
    if [[ $told_to_stop ]]; then stop_nix; fi
    if [[ $state == gone ]]; then break; fi
    nap 0.1
  done
  exec {log_fd}<&-
  wait "$nix_pid" || code=$?
  nix_pid=''
  cat -- "$NIX_LOG" >&2 || true
  return "$code"
}

# Only a flag: a handler that reads would disturb a `read` with a time-out.
told_to_stop=''
on_term() { told_to_stop=yes; }

stop_nix() {
  kill -TERM "$nix_pid" 2>/dev/null || true
  fail cancelled "The job was told to stop, or its time was over." "Run again: it goes on where it was stopped."
}
