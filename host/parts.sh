# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Copies parts of a closure side by side, over several connections: of one stream, ssh lets no more than 2 MiB be on the way.

declare -a parts=()
streams=1 still_seconds=600 near_seconds=0.15

# read_parts: [parts], [streams] at a time; each has [paths], and [after], the places of those that must have arrived.
read_parts() {
  local i each
  local -a paths=() after=()
  streams=${arg[streams]:-1} still_seconds=${arg[stillSeconds]:-600} near_seconds=${arg[nearSeconds]:-0.15}
  [[ $streams =~ ^([1-9]|1[0-6])$ ]] || fail bad-argument "[streams] is not a number from 1 to 16."
  [[ $still_seconds =~ ^[0-9]{1,5}$ ]] || fail bad-argument "[stillSeconds] is not a number of seconds."
  [[ $near_seconds =~ ^[0-9]{1,3}(\.[0-9]{1,6})?$ ]] || fail bad-argument "[nearSeconds] is not a number of seconds."
  [[ ${arg[parts.length]:-0} =~ ^[0-9]{1,4}$ ]] || fail bad-argument "[parts.length] is not a number."
  for ((i = 0; i < ${arg[parts.length]:-0}; i++)); do
    arg_list "parts.$i.paths" paths
    for each in "${!paths[@]}"; do require_store_path "parts.$i.paths.$each" "${paths[each]}"; done
    arg_list "parts.$i.after" after
    for each in "${after[@]}"; do
      [[ $each =~ ^(0|[1-9][0-9]{0,3})$ && $each -lt $i ]] || fail bad-argument "[parts.$i.after] holds something else than places of earlier parts."
    done
    parts+=("waiting")
  done
}

# is_near STORE: does it answer so soon that one stream is as fast as processors and disks? Several would only cost more of these.
# The first question opens the connection; of the others the quickest counts, since a busy machine makes all but that look far.
is_near() {
  local i most began
  micros "$near_seconds"
  most=$REPLY
  stream_options 1
  for i in {0..5}; do
    began=${EPOCHREALTIME/./}
    NIX_SSHOPTS=$REPLY timeout 30 nix --extra-experimental-features nix-command store ping --store "$1" >/dev/null 2>&1 </dev/null || return 1
    began=$((${EPOCHREALTIME/./} - began))
    note "$1 answered after $((began / 1000)) ms."
    if ((i && began <= most)); then return 0; fi
  done
  return 1
}

# copy_parts COMMAND...: of each part, COMMAND with its paths. Runs as a child; one part that fails ends all.
copy_parts() {
  local -A part_of=() stream_of=() moved=() moved_at=() looked_at=()
  local pid part code told='' second=''
  trap 'told=yes' TERM
  while :; do
    start_parts "$@"
    if ((!${#part_of[@]})); then return 0; fi
    # Until a stream ends, at most a second: to look at them all more often costs more than a stream does.
    if [[ ! $second ]] || ! kill -0 "$second" 2>/dev/null; then
      sleep 1 &
      second=$!
    fi
    wait -n || true
    for pid in "${!part_of[@]}"; do
      code=0 part=${part_of[$pid]}
      if kill -0 "$pid" 2>/dev/null; then
        has_moved "$pid" && continue
        code=still
      else
        wait "$pid" || code=$?
      fi
      if [[ $code == 0 ]]; then
        parts[part]=arrived
        unset "part_of[$pid]" "stream_of[$pid]"
      else
        say_why "$part" "$code"
        end_parts
        return 1
      fi
    done
    if [[ $told ]]; then
      end_parts
      return 143
    fi
  done
}

# start_parts COMMAND...
start_parts() {
  local i each stream
  local -a paths=() after=()
  for i in "${!parts[@]}"; do
    if ((${#part_of[@]} >= streams)); then return 0; fi
    if [[ ${parts[i]} != waiting ]]; then continue; fi
    arg_list "parts.$i.after" after
    for each in "${after[@]}"; do
      if [[ ${parts[each]} != arrived ]]; then continue 2; fi
    done
    arg_list "parts.$i.paths" paths
    stream=1
    while [[ " ${stream_of[*]} " == *" $stream "* ]]; do stream=$((stream + 1)); done
    stream_options "$stream"
    NIX_SSHOPTS=$REPLY "$@" "${paths[@]}" &
    part_of[$!]=$i stream_of[$!]=$stream moved_at[$!]=$EPOCHSECONDS looked_at[$!]=$EPOCHSECONDS
    parts[i]=started
  done
}

# stream_options STREAM: its connection stays for its next part, and ends with the job. Without this, a master of the
# user's would take all streams.
stream_options() {
  REPLY="${NIX_SSHOPTS-} -o ControlMaster=auto -o ControlPersist=yes -o ControlPath=$JOB/$1"
}

# has_moved PID: false when it has read and written nothing for too long.
has_moved() {
  local io=''
  # Twelve times until then is often enough.
  if ((EPOCHSECONDS < ${looked_at[$1]} + still_seconds / 12)); then return 0; fi
  looked_at[$1]=$EPOCHSECONDS
  { IFS= read -r -d '' io <"/proc/$1/io" || true; } 2>/dev/null
  if [[ $io != "${moved[$1]-}" ]]; then moved[$1]=$io moved_at[$1]=$EPOCHSECONDS; fi
  ((EPOCHSECONDS - ${moved_at[$1]} < still_seconds))
}

# say_why PART CODE: before the others add that they were ended.
say_why() {
  local how="ended with $2"
  if [[ $2 == still ]]; then
    how="has moved nothing for $still_seconds s"
  elif (($2 > 128)); then
    how="was ended by signal $(($2 - 128))"
  fi
  {
    printf 'Part %d of %d %s; the streams beside it were ended too.\n' $(($1 + 1)) "${#parts[@]}" "$how"
    last_lines "$NIX_LOG"
  } >"$JOB/why"
}

end_parts() {
  local pid tries=0
  kill -TERM "${!part_of[@]}" 2>/dev/null || true
  while ((tries++ < 60)) && kill -0 "${!part_of[@]}" 2>/dev/null; do nap 0.05; done
  kill -KILL "${!part_of[@]}" 2>/dev/null || true
  for pid in "${!part_of[@]}"; do wait "$pid" || true; done
}
