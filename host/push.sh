# needs: json.sh lib.sh roots.sh nixlog.sh parts.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Job: copies paths to another host. The target checks the signatures; this side never asks it not to.

main() {
  local -a paths=() has=() options=() from=()
  local i
  [[ $JOB ]] || fail not-a-job "A copy runs only as a job." "Use start."
  trap on_term TERM
  now
  began=$REPLY
  arg_list paths paths
  ((${#paths[@]})) || fail bad-argument "[paths] is empty."
  for i in "${!paths[@]}"; do require_store_path "paths.$i" "${paths[i]}"; done
  arg_get to
  require_store_url to "$REPLY"
  if [[ ${arg[from]-} ]]; then
    require_store_url from "${arg[from]}"
    from=(--from "${arg[from]}")
  fi
  arg_list sshOptions options
  ssh_options "${options[@]}"
  total=${arg[missing]:-0} bytes_left=${arg[bytes]:-0}
  [[ $total =~ ^[0-9]+$ && $bytes_left =~ ^[0-9]+$ ]] || fail bad-argument "[missing] and [bytes] are not numbers."

  read_parts
  if [[ ${arg[atMost]+set} ]]; then
    [[ ${arg[atMost]} =~ ^[0-9]{1,18}$ ]] || fail bad-argument "[atMost] is not a number of bytes."
    arg_list has has
    for i in "${!has[@]}"; do require_store_path "has.$i" "${has[i]}"; done
    read_what_may_lack "${paths[@]}"
    if ((bytes_left > arg[atMost])); then
      answer "{\"exceeds\":$bytes_left}"
      return
    fi
  elif ((bytes_left && !${#from[@]})); then
    exec {sizes_fd}< <(sizes_of "${paths[@]}")
  fi

  status copy "copying 0/$total paths to ${arg[to]}" "done" 0 total "$total"
  if ((${#parts[@]} && !${#from[@]})); then
    is_near "${arg[to]}" ||
      watch_nix count_part copy_parts nix --extra-experimental-features nix-command copy --no-recursive --to "${arg[to]}" -- || copy_error
    stream_options 1
    export NIX_SSHOPTS=$REPLY
  fi
  # All that the parts have left, whatever they were.
  watch_nix count_copies nix --extra-experimental-features nix-command copy "${from[@]}" --to "${arg[to]}" -- "${paths[@]}" || copy_error
  now
  seconds $((REPLY - began))
  answer "{\"copied\":$copied,\"seconds\":$REPLY}"
}

began=0 copied=0 total=0 bytes_left=0 sizes_fd='' is_most=''
declare -A size_of=()

# read_what_may_lack PATH...: all that they need, without what [has] needs, which the target has for sure. Nobody is asked, so it may be
# more than the target lacks. Sets size_of, total, bytes_left and is_most.
read_what_may_lack() {
  local path size
  local -A there=()
  exec {sizes_fd}< <(sizes_of "$@")
  while read -r path; do there[$path]=yes; done < <(for path in "${has[@]}"; do nix-store --query --requisites -- "$path" 2>/dev/null || true; done)
  read_sizes
  for path in "${!size_of[@]}"; do
    if [[ ${there[$path]-} ]]; then unset "size_of[$path]"; fi
  done
  total=${#size_of[@]} bytes_left=0 is_most=yes
  for size in "${size_of[@]}"; do bytes_left=$((bytes_left + size)); done
  if ((total)); then return 0; fi
  path=$(print_invalid "$@")
  [[ ! $path ]] || fail not-built "${path//$'\n'/, } is not in the store of the builder." "Build the release there first."
}

# require_store_url PROPERTY URL. Not ssh://, by which root takes unsigned paths whatever the target's settings.
require_store_url() {
  [[ $2 =~ ^ssh-ng://([A-Za-z0-9_][A-Za-z0-9._-]*@)?[]A-Za-z0-9_[][]A-Za-z0-9._:[-]*(\?[A-Za-z0-9=\&%./_:+-]*)?$ ]] || {
    quote "$2"
    fail bad-argument "[$1] is not a store of the form ssh-ng://HOST: $REPLY."
  }
}

# ssh_options [OPTION]...: for Nix, which splits the variable as a shell would; old ones only at spaces.
ssh_options() {
  local option out=''
  for option; do
    if [[ ! $option =~ ^[A-Za-z0-9_/.,:=@%+-]+$ ]]; then option="'${option//\'/\'\\\'\'}'"; fi
    out+="${out:+ }$option"
  done
  if [[ $out ]]; then export NIX_SSHOPTS="${NIX_SSHOPTS:+$NIX_SSHOPTS }$out"; fi
}

sizes_of() {
  nix --extra-experimental-features nix-command path-info --recursive --size -- "$@" 2>/dev/null || true
}

# read_sizes: what has been asked for before the copy began.
read_sizes() {
  local path rest
  while read -r path rest <&"$sizes_fd"; do size_of[$path]=${rest##*[[:space:]]}; done
  exec {sizes_fd}<&-
  sizes_fd=''
}

# count_copies: "copying 312/1904 paths, 1.2 GiB left".
count_copies() {
  if [[ $1 =~ ^copying\ ([0-9]+)\ paths ]]; then
    # Less than might have been: what of it is left is not known in bytes.
    if [[ $is_most ]] && ((total != copied + BASH_REMATCH[1])); then size_of=(); fi
    total=$((copied + BASH_REMATCH[1]))
  elif [[ $1 =~ ^copying\ path\ \'([^\']*)\' ]]; then
    copied=$((copied + 1))
    if ((total < copied)); then total=$copied; fi
    local left=''
    if [[ $sizes_fd ]]; then read_sizes; fi
    if ((${#size_of[@]})); then
      left=", "
      human "$bytes_left"
      left=", $REPLY left"
      bytes_left=$((bytes_left - ${size_of[${BASH_REMATCH[1]}]:-0}))
      if ((bytes_left < 0)); then bytes_left=0; fi
    fi
    status copy "copying $copied/$total paths$left" "done" "$copied" total "$total"
  fi
}

# count_part LINE: how many are in one part says nothing of the whole.
count_part() {
  if [[ ! $1 =~ ^copying\ [0-9]+\ paths ]]; then count_copies "$1"; fi
}

# human BYTES
human() {
  local unit tenths=$(($1 * 10))
  for unit in B KiB MiB GiB; do
    if ((tenths < 10240)) || [[ $unit == GiB ]]; then break; fi
    tenths=$((tenths / 1024))
  done
  if [[ $unit == B ]]; then REPLY="$1 B"; else REPLY="$((tenths / 10)).$((tenths % 10)) $unit"; fi
}

# last_lines LOG: without those that tell of progress.
last_lines() {
  { grep -v '^copying ' -- "$1" || true; } | tail -n 15
}

copy_error() {
  local text
  if [[ -s $JOB/why ]]; then text=$(<"$JOB/why"); else text=$(last_lines "$NIX_LOG"); fi
  case $text in
    *'lacks a signature by a trusted key'* | *'lacks a valid signature'*)
      fail untrusted-signature "${arg[to]} refuses the paths: they are not signed by a key that it trusts."$'\n'"$text" \
        "Sign them on the builder, and add the public key to trusted-public-keys of the target."
      ;;
    *'No space left on device'* | *'database or disk is full'*) fail no-space "The disk of ${arg[to]} is full."$'\n'"$text" "Free space there and run again: paths that have arrived are kept." ;;
    *'Host key verification failed'* | *'REMOTE HOST IDENTIFICATION HAS CHANGED'*)
      fail host-key "The host key of ${arg[to]} is not the expected one."$'\n'"$text" "Check who answers there before you change known_hosts of the sending host."
      ;;
    *'Permission denied'*) fail auth "${arg[to]} does not accept the key of the sending host."$'\n'"$text" "Allow its key on the target." ;;
    *'unable to download'* | *'unable to upload'* | *'Could not resolve'* | *'Connection refused'* | *'timed out'* | *'No route to host'* | *'Network is unreachable'* | *'Connection closed'* | *'Connection reset'* | *'Broken pipe'* | *'Nix daemon disconnected'*)
      fail unreachable "${arg[to]} cannot be reached from the sending host."$'\n'"$text" "Run again when it can: paths that have arrived are kept."
      ;;
    *) fail copy-failed "The copy to ${arg[to]} failed."$'\n'"$text" ;;
  esac
}

main
