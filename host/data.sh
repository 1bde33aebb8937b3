# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Backups of mutable data: where they are, of which kind, whether they are whole.
# BACKUPS/ID/index has a line for each directory: kind, directory, where the backup is, sha256, bytes, size, steady.

readonly BACKUPS=$STATE/backups

# kind_of DIRECTORY: REPLY is btrfs or zfs, where a snapshot of exactly that directory can be made, else tar.
kind_of() {
  REPLY=tar
  case $(stat --file-system --format=%T -- "$1") in
    btrfs) if type -P btrfs >/dev/null && [[ $(stat --format=%i -- "$1") == 256 ]]; then REPLY=btrfs; fi ;;
    zfs) if dataset_of "$1"; then REPLY=zfs; fi ;;
  esac
}

# dataset_of DIRECTORY: REPLY is the dataset that is mounted there.
dataset_of() {
  local name mountpoint
  IFS=$'\t' read -r name mountpoint < <(timeout 30 zfs list -H -o name,mountpoint -- "$1" 2>/dev/null) && [[ $mountpoint == "$1" ]] && REPLY=$name
}

# in_time SCRIPT ARGUMENT...: a script of ours in a bash of its own; ends at data_deadline, or when we are told to stop.
# Its output is in
# in_time_log. Needs RUN.
data_deadline=0 in_time_log=''
in_time() {
  local pid code=0 left
  now
  left=$((data_deadline - REPLY))
  if ((left <= 0)); then return 124; fi
  seconds "$left"
  in_time_log=$RUN/data.log
  timeout --kill-after=5 "$REPLY" "$BASH" -c "set -o pipefail; $1" bash "${@:2}" </dev/null >"$in_time_log" 2>&1 3>&- 4>&- &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if is_cancelled; then kill -TERM "$pid" 2>/dev/null || true; fi
    nap 0.05
  done
  wait "$pid" || code=$?
  return "$code"
}

# why_not CODE: REPLY says why what ran in_time has failed.
why_not() {
  local line
  REPLY="exit $1"
  if (($1 == 124 || $1 == 137)); then REPLY='it took longer than [activation.data.timeoutSeconds]'; fi
  # What came of a full disk says less than that it is full.
  while IFS= read -r line; do
    if [[ $line == *[![:space:]]* && $REPLY != *'No space left'* ]]; then REPLY=${line:0:300}; fi
  done < <(tail -n 10 -- "$in_time_log" 2>/dev/null | tr -d '\000')
}

# archive_is_whole FILE SHA256
# shellcheck disable=SC2016 # expanded in the bash of its own
archive_is_whole() {
  in_time 'echo "$2  $1" | sha256sum --check --status || { echo "its sha256 is another one than that of the index"; exit 1; }
    case $1 in *.zst) zstd -dcq -- "$1" ;; *) gzip -dc -- "$1" ;; esac | tar --list >/dev/null' "$1" "$2"
}

# drop_backup DIR: also what lies outside it.
drop_backup() {
  local kind place
  if [[ -e $1/index ]]; then
    while IFS=$'\t' read -r kind _ place _; do
      case $kind in
        btrfs) if [[ -d $place ]]; then timeout 60 btrfs subvolume delete -- "$place" >/dev/null || note "The snapshot $place could not be deleted."; fi ;;
        zfs) timeout 60 zfs destroy -- "$place" || note "The snapshot $place could not be destroyed." ;;
      esac
    done <"$1/index"
  fi
  rm -rf -- "$1"
}
