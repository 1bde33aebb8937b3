# shellcheck shell=bash disable=SC2034 # what the other parts use
# Where things are, how setup talks, and how it runs a step that takes a while.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cache=${XDG_CACHE_HOME:-~/.cache}/nixos-promote
tool_path="" # directories that setup puts before PATH, each ending in a colon
problems=()  # sentences: what is missing and how to get it
step_pid=""

say() { printf 'setup: %s\n' "$*" >&2; }

problem() { problems+=("$*"); }

# at_least WANTED VERSION: compares major.minor.patch; "v" before and text after do not count.
at_least() {
  local wanted number
  to_number "$1" && wanted=$number
  to_number "$2" && ((number >= wanted))
}

to_number() {
  number=0
  [[ $1 =~ ([0-9]+)\.([0-9]+)(\.([0-9]+))? ]] || return 1
  number=$((10#${BASH_REMATCH[1]} * 1000000000 + 10#${BASH_REMATCH[2]} * 100000 + 10#${BASH_REMATCH[4]:-0}))
}

# digest: a short hash of standard input (macOS has shasum in the place of sha256sum).
digest() {
  local sum
  if type -P sha256sum >/dev/null; then sum=$(sha256sum); else sum=$(shasum -a 256); fi
  printf '%s' "${sum:0:16}"
}

is_root() { [[ $(id -u) == 0 ]]; }

has_apt() { type -P apt-get >/dev/null && type -P dpkg-query >/dev/null; }

can_install() { is_root && has_apt; }

require_cache() {
  mkdir -p "$cache/logs" 2>/dev/null && [[ -w $cache ]] && return
  say "The cache directory $cache cannot be written. Set XDG_CACHE_HOME to a directory that can, or make it yours with: sudo chown -R \"\$USER\" $cache"
  exit 1
}

# Two setups at once would build the same thing twice: the second waits here and then finds it done.
take_lock() {
  type -P flock >/dev/null || return 0
  exec 9>"$cache/setup.lock"
  flock -n 9 && return
  say "Another setup is running; waiting until it has finished."
  until flock -w 1 9; do :; done
}

drop_lock() { exec 9>&-; }

# step TITLE ABOUT NAME COMMAND...: runs a command, with its output in a log, and says how it goes.
# It runs in a process group of its own, so that an interrupt ends all of it and not only its head.
step() {
  local title=$1 about=$2 log=$cache/logs/$3.log status=0 began=$SECONDS told=$SECONDS line
  shift 3
  say "$title (about $about)"
  trap 'stop_step 130' INT
  trap 'stop_step 143' TERM HUP
  set -m
  PATH=$tool_path$PATH "$@" >"$log" 2>&1 </dev/null 9>&- &
  step_pid=$!
  set +m
  while kill -0 "$step_pid" 2>/dev/null; do
    sleep 0.1
    if ((SECONDS - told >= 20)); then
      told=$SECONDS
      line=$(tail -n 1 "$log")
      say "  $((SECONDS - began)) s: ${line:0:90}"
    fi
  done
  wait "$step_pid" || status=$?
  step_pid=""
  trap - INT TERM HUP
  if ((status == 0)); then
    say "  done in $((SECONDS - began)) s"
    return
  fi
  tail -n 20 "$log" | sed 's/^/  | /' >&2
  problem "$title failed (exit code $status). What it said is above and in $log; running setup again continues from here."
  return 1
}

stop_step() {
  trap '' INT TERM HUP
  kill -TERM -- "-$step_pid" 2>/dev/null || true
  wait "$step_pid" 2>/dev/null || true
  say "Stopped. Nothing half-made is left in use; running setup again continues from here."
  exit "$1"
}
