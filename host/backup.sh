# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# A verified backup of mutable data, before a release that may change its form. Nothing brings it back by itself: restore-data.sh.

declare -a data_directories=() data_components=() schema_changes=()
backup_json=null
readonly MEND_OR_DO_WITHOUT='Mend that on the host, or set [activation.data.backup] to never if the data may be lost.'

check_data() {
  local i
  arg_list data.directories data_directories
  arg_list data.components data_components
  arg_list changesSchema schema_changes
  arg[data.keepBackups]=${arg[data.keepBackups]:-3} arg[data.timeoutSeconds]=${arg[data.timeoutSeconds]:-600}
  for i in "${!data_directories[@]}"; do require_directory "data.directories.$i" "${data_directories[i]}"; done
  for i in "${!data_components[@]}"; do require_name "data.components.$i" "${data_components[i]}"; done
  [[ ${arg[data.backup]:-schema} =~ ^(always|schema|never)$ ]] || fail bad-argument "[data.backup] is not one of always, schema, never."
  [[ ${arg[data.keepBackups]} =~ ^[1-9][0-9]{0,3}$ ]] || fail bad-argument "[data.keepBackups] is not a number of at least 1."
  require_seconds data.timeoutSeconds "${arg[data.timeoutSeconds]}"
}

# wants_backup: before it is known what the host runs.
wants_backup() {
  ((${#data_directories[@]})) || return 1
  case ${arg[data.backup]:-schema} in
    always) return 0 ;;
    schema) ((${#schema_changes[@]} + ${#data_components[@]})) ;;
    never) return 1 ;;
  esac
}

step_backup() {
  local dir=$BACKUPS/$id old
  # The release runs already, and so its data have their form already: a backup now would only push out the one that counts.
  if [[ ${arg[data.backup]:-schema} == schema && ! $links_changed && $toplevel == "$before_system" ]] &&
    { [[ ! $with_system || $toplevel == "$before_profile" ]]; }; then
    note "The release runs already: no backup."
    return 0
  fi
  if [[ ${arg[data.backup]:-schema} == schema ]]; then
    add_changed_components || return
    if ((!${#schema_changes[@]})); then return 0; fi
  fi
  status backup "backing up ${data_directories[*]}${schema_changes:+, because the release changes ${schema_changes[*]}}"
  micros "${arg[data.timeoutSeconds]}"
  now_plus "$REPLY"
  data_deadline=$REPLY
  # What a backup that was killed has left.
  for old in "$BACKUPS"/*.new/; do
    if [[ -d $old ]]; then drop_backup "${old%/}"; fi
  done
  if ! back_up "$dir.new"; then
    drop_backup "$dir.new"
    return 1
  fi
  if ! { mv -T -- "$dir.new" "$dir" && sync -- "$BACKUPS"; }; then
    drop_backup "$dir.new"
    refuse "The backup could not be put in $dir." "Is the disk full?"
    return
  fi
  index_to_json "$dir"
  tell "Backup of mutable data: $dir."
  prune_backups
  not_cancelled
}

# add_changed_components: each that the release ships otherwise than the release before it, as far as that is known, is a
# change of schema.
add_changed_components() {
  local name before='' old new
  ((${#data_components[@]})) || return 0
  manifest_before && before=$REPLY
  for name in "${data_components[@]}"; do
    if ! component_of_manifest "${arg[manifest]-}" "$name"; then
      refuse "[activation.data.components] The release ships no component $name." "Add it to [release.components] of the stack that builds."
      return
    fi
    new=$REPLY old=''
    component_of_manifest "$before" "$name" && old=$REPLY
    if [[ $new != "$old" ]]; then schema_changes+=("$name"); fi
  done
}

# back_up DIR
back_up() {
  local directory i=0 kind
  local -a there=() archived=()
  for directory in "${data_directories[@]}"; do
    if [[ -d $directory ]]; then
      directory=$(readlink -e -- "$directory")
      there+=("$directory")
      kind_of "$directory"
      if [[ $REPLY == tar ]]; then archived+=("$directory"); fi
    else
      tell "[activation.data.directories] There is no $directory on the host: nothing to back up."
    fi
  done
  ((${#there[@]})) || { refuse "None of [activation.data.directories] is on the host: ${data_directories[*]}." "Correct the setting, or set [activation.data.backup] to never."; return; }
  { mkdir -p -- "$BACKUPS" && mkdir -m 0700 -- "$1" && printf '%s\n' "$previous" >"$1/previous" && : >"$1/index"; } 2>/dev/null || {
    refuse "The host cannot write to $BACKUPS." "Is the disk full, or the file system read-only?"
    return
  }
  archives_have_room "${archived[@]}" || return
  for directory in "${there[@]}"; do
    kind_of "$directory"
    case $REPLY in
      btrfs) btrfs_snapshot "$1" "$directory" ;;
      zfs) zfs_snapshot "$1" "$directory" ;;
      tar) archive "$1" "$directory" "$((i += 1))" ;;
    esac || return
  done
  sync -- "$1/index" "$1/previous" "$1"
}

declare -A data_size=()

# archives_have_room DIRECTORY...: as if nothing could be compressed.
archives_have_room() {
  local directory size need=$((${arg[preflight.diskMarginMiB]:-64} * 1048576)) free=0 code=0
  for directory; do
    # shellcheck disable=SC2016 # expanded in the bash of its own
    in_time 'du --summarize --block-size=1 -- "$1"' "$directory" || code=$?
    size=$(tail -n 1 -- "$in_time_log")
    size=${size%%$'\t'*}
    if ((code > 1)) || ! [[ $size =~ ^[0-9]+$ ]]; then
      no_backup "$code" "The size of $directory could not be told" "See 'du -s $directory' on the host."
      return
    fi
    data_size[$directory]=$size
    need=$((need + size))
  done
  (($#)) || return 0
  free=$(df -B1 --output=avail -- "$BACKUPS" | tail -n 1)
  ((free >= need)) || refuse "A backup of $* takes up to $((need / 1048576)) MiB with the margin, and only $((free / 1048576)) MiB are free in $BACKUPS." \
    "Free some on the host, remove old backups there, or let $BACKUPS be a link to a bigger disk."
}

# archive DIR DIRECTORY NUMBER: tar through zstd or gzip, read back as a whole. A file that is written meanwhile may be torn,
# so it is tried again; what never holds still is said.
archive() {
  local file=$1/$3.tar code tries=0 steady=yes sum bytes
  if type -P zstd >/dev/null; then file+=.zst; else file+=.gz; fi
  while :; do
    code=0
    # shellcheck disable=SC2016 # expanded in the bash of its own
    in_time 'tar --create --sparse --acls --xattrs --numeric-owner --directory="$1" . |
      case $2 in *.zst) zstd -q ;; *) gzip -c ;; esac >"$2"
      ended=("${PIPESTATUS[@]}")
      sync -- "$2" || exit 3
      exit $((ended[1] ? 3 : ended[0]))' "$2" "$file" || code=$?
    if ((code != 1)) || (((tries += 1) >= 3)); then break; fi
  done
  case $code in
    0) ;;
    1)
      steady=no
      tell "Files in $2 were written while they were backed up: $(tail -n 1 -- "$in_time_log" | tr -cd '[:print:]')"
      ;;
    *)
      no_backup "$code" "The backup of $2 failed" "$MEND_OR_DO_WITHOUT"
      return
      ;;
  esac
  { sum=$(sha256sum -- "$file") && bytes=$(stat --format=%s -- "$file"); } || { refuse "The backup of $2 could not be read back." "Is the disk of the host sound?"; return; }
  archive_is_whole "$file" "${sum%% *}" || {
    no_backup "$?" "The backup of $2 is damaged" "Is the disk of the host sound?"
    return
  }
  index_line "$1" tar "$2" "${file##*/}" "${sum%% *}" "$bytes" "${data_size[$2]}" "$steady"
}

# btrfs_snapshot DIR DIRECTORY: beside the directory, because a snapshot cannot leave its file system.
btrfs_snapshot() {
  local place=${2%/*}/.nixos-promote-backups/$id-${2##*/} code=0
  (umask 077 && mkdir -p -- "${place%/*}") && index_line "$1" btrfs "$2" "$place" - 0 0 yes
  # shellcheck disable=SC2016 # expanded in the bash of its own
  in_time 'btrfs subvolume snapshot -r -- "$1" "$2" && btrfs filesystem sync -- "$2"' "$2" "$place" || code=$?
  snapshot_made "$2" "$code"
}

zfs_snapshot() {
  local code=0
  dataset_of "$2" && index_line "$1" zfs "$2" "$REPLY@nixos-promote-$id" - 0 0 yes
  # shellcheck disable=SC2016 # expanded in the bash of its own
  in_time 'zfs snapshot -- "$1"' "$REPLY@nixos-promote-$id" || code=$?
  snapshot_made "$2" "$code"
}

snapshot_made() {
  (($2 == 0)) || no_backup "$2" "No snapshot of $1 could be made" "$MEND_OR_DO_WITHOUT"
}

# no_backup CODE WHAT ADVICE: of what ran in_time.
no_backup() {
  if is_cancelled; then because "Cancelled."; return; fi
  why_not "$1"
  refuse "$2: $REPLY." "$3"
}

# index_line DIR VALUE...
index_line() {
  local IFS=$'\t'
  printf '%s\n' "${*:2}" >>"$1/index"
}

# index_to_json DIR: backup_json, as the ledger tells it.
index_to_json() {
  local kind directory place sum bytes steady out='' changes
  while IFS=$'\t' read -r kind directory place sum bytes _ steady; do
    if [[ $kind == tar ]]; then place=$1/$place; else sum='' bytes=null; fi
    if [[ $steady == yes ]]; then steady=true; else steady=false; fi
    json_object directory:s "$directory" kind:s "$kind" path:s "$place" sha256:o "$sum" bytes:j "$bytes" steady:j "$steady"
    out+=,$REPLY
  done <"$1/index"
  json_array "${schema_changes[@]}"
  changes=$REPLY
  json_object name:s "${1##*/}" changes:j "$changes" directories:j "[${out:1}]"
  backup_json=$REPLY
}

# prune_backups: the newest stay, and the first one of those that were made on the system that runs: what came after may
# have been touched by a release that did not stay.
prune_backups() {
  local dir first='' count=0
  local -a dirs=()
  mapfile -t dirs < <(cd -- "$BACKUPS" && ls -t)
  for dir in "${dirs[@]}"; do
    if read_line "$BACKUPS/$dir/previous" && [[ $REPLY == "$previous" ]]; then first=$dir; fi
  done
  for dir in "${dirs[@]}"; do
    if (((count += 1) > ${arg[data.keepBackups]})) && [[ $dir != "$first" ]]; then drop_backup "$BACKUPS/$dir"; fi
  done
}
