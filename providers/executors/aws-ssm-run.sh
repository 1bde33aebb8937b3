# shellcheck shell=sh disable=SC2154 # what was asked is set in front of it
# What the SSM agent runs for us, in its own sh: plain POSIX, with the few programs of an agent's PATH until ours is set.
#
# SSM delivers at least once and late, so a request has an id of its own and runs once: whoever comes second gets the
# answer of the first. The answer is small enough for SSM's 24,000 characters; what does not fit is read in pieces.
# Ends with 0 whatever the script did: some exit codes mean something to the agent (194 runs everything again).
set -u
umask 077
PATH=$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
HOME=${HOME:-/root}
export PATH HOME
base=/run/nixos-promote/ssm

# A piece of a request that is too large for one command; the name is the hash of the whole.
put() {
  mkdir -p "$base/upload-$upload" || exit 1
  if printf %s "$payload" | base64 -d >"$base/upload-$upload/$offset.$$"; then
    mv "$base/upload-$upload/$offset.$$" "$base/upload-$upload/$offset"
    echo "nixos-promote put $upload $offset"
  fi
}

run() {
  dir=$base/$request
  mkdir -p "$dir" || exit 1
  exec 9>"$dir/lock" || exit 1
  flock -E 75 -w "$patience" 9
  case $? in
    0) ;;
    75)
      echo "nixos-promote running $request"
      return
      ;;
    *) exit 1 ;;
  esac
  if [ ! -e "$dir/begun" ]; then
    if ! receive; then
      echo "nixos-promote unreadable $request"
      return
    fi
    : >"$dir/begun"
    execute
  fi
  if [ -e "$dir/exit" ]; then answer; else echo "nixos-promote cut $request"; fi
}

# receive: makes the input, which is gzip of the script and what it reads.
receive() {
  if [ -z "$upload" ]; then
    printf %s "$payload" | base64 -d | gzip -dc >"$dir/input"
    return
  fi
  for piece in $(find "$base/upload-$upload" -type f -name '*[0-9]' ! -name '*.*' -printf '%f\n' 2>/dev/null | sort -n); do
    cat "$base/upload-$upload/$piece"
  done >"$dir/packed"
  [ "$(sha256sum <"$dir/packed")" = "$upload  -" ] && gzip -dc <"$dir/packed" >"$dir/input" &&
    rm -rf "$dir/packed" "$base/upload-$upload"
}

# execute: the same as over every other way: a bash script of so many bytes, then its stdin. Nobody inherits the lock.
execute() {
  (
    exec <"$dir/input" >"$dir/stdout" 2>"$dir/stderr" 9>&-
    exec bash -c "$(head -c "$script_bytes")" nixos-promote
  )
  code=$?
  gzip -c <"$dir/stdout" >"$dir/stdout.gz" && tail -c 2000 "$dir/stderr" | gzip -c >"$dir/stderr.gz" &&
    echo "$code" >"$dir/exit.new" && mv "$dir/exit.new" "$dir/exit"
  rm -f "$dir/input" "$dir/stdout" "$dir/stderr"
}

# answer: the exit code, the size of what follows, the end of stderr, and as much of stdout as fits.
answer() {
  echo "nixos-promote answer $request $(cat "$dir/exit") $(wc -c <"$dir/stdout.gz")"
  base64 -w 0 <"$dir/stderr.gz"
  echo
  head -c 15000 "$dir/stdout.gz" | base64 -w 0
  echo
}

# More of an answer.
get() {
  echo "nixos-promote get $request $offset"
  tail -c "+$((offset + 1))" "$base/$request/stdout.gz" | head -c 17000 | base64 -w 0
  echo
}

# An agent drops what is older than two days, so that no request comes a second time after that.
tidy() {
  find "$base" -mindepth 1 -maxdepth 1 -type d -mmin +2880 -exec rm -rf {} +
}

case $action in
  put) put ;;
  run) run ;;
  get) get ;;
esac
tidy
exit 0
