# needs: json.sh lib.sh jobs.sh roots.sh ledger.sh data.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Job: brings mutable data back from a backup, only when somebody asks for it. Runs in the unit of activations, whose lock it
# takes with that. What is there now is moved aside, and never deleted. With [check] it only finds out whether it could.

id='' RUN='' name='' dir='' told_to_stop='' moved=''
declare -a units=() directories=() kinds=() places=() sums=() sizes=() staged=() aside=() stopped=()

main() {
  [[ $JOB ]] || fail not-a-job "Data are restored only by a job." "Use start, with the unit ${ACTIVATION_UNIT%.service} and an id that begins with restore-data-."
  trap 'told_to_stop=yes' TERM
  settings
  read_index
  are_whole
  have_room
  if [[ ${arg[check]:-false} == true ]]; then
    answer_checked
    return
  fi
  unpack
  stop_units
  swap
  start_units
  conclude
}

settings() {
  local i
  arg_get id && id=$REPLY
  [[ $id == restore-data-* ]] || fail bad-argument "[id] does not begin with restore-data-."
  RUN=$VOLATILE/$id
  mkdir -p -- "$RUN"
  arg_get backup && name=$REPLY
  require_name backup "$name"
  dir=$BACKUPS/$name
  arg_list units units
  for i in "${!units[@]}"; do
    require_unit "units.$i" "${units[i]}"
    units[i]=$REPLY
  done
  require_seconds timeoutSeconds "${arg[timeoutSeconds]:-600}"
  now
  data_deadline=$REPLY
  micros "${arg[timeoutSeconds]:-600}"
  data_deadline=$((data_deadline + REPLY))
  started_at=$EPOCHSECONDS
}

read_index() {
  local kind directory place sum size line wanted
  local -a only=()
  arg_list directories only
  [[ -s $dir/index ]] || fail no-backup "There is no backup $name in $BACKUPS. Nothing was changed." "See 'ls $BACKUPS' on the host, and the ledger."
  while IFS=$'\t' read -r kind directory place sum _ size _; do
    if ((${#only[@]})) && [[ $'\n'$(printf '%s\n' "${only[@]}")$'\n' != *$'\n'"$directory"$'\n'* ]]; then continue; fi
    if [[ $kind == tar ]]; then place=$dir/$place; fi
    kinds+=("$kind") directories+=("$directory") places+=("$place") sums+=("$sum") sizes+=("$size")
  done <"$dir/index"
  for wanted in "${only[@]}"; do
    [[ $'\n'$(printf '%s\n' "${directories[@]}")$'\n' == *$'\n'"$wanted"$'\n'* ]] || {
      quote "$wanted"
      fail no-backup "[directories] The backup $name does not hold $REPLY. Nothing was changed." "See $dir/index on the host."
    }
  done
}

are_whole() {
  local i
  status verify "verifying the backup $name"
  for i in "${!places[@]}"; do
    case ${kinds[i]} in
      tar)
        archive_is_whole "${places[i]}" "${sums[i]}" || {
          why_not "$?"
          give_up damaged-backup "The backup ${places[i]} of ${directories[i]} is damaged: $REPLY. Nothing was changed." "Take another one from $BACKUPS."
        }
        ;;
      btrfs) [[ -d ${places[i]} ]] || fail damaged-backup "The snapshot ${places[i]} of ${directories[i]} is gone. Nothing was changed." "Take another one from $BACKUPS." ;;
      zfs)
        places[i]=${directories[i]}/.zfs/snapshot/${places[i]##*@}
        [[ -d ${places[i]} ]] || fail damaged-backup "The snapshot ${places[i]} of ${directories[i]} is gone. Nothing was changed." "Take another one from $BACKUPS."
        ;;
    esac
  done
}

have_room() {
  local i free parent
  for i in "${!sizes[@]}"; do
    parent=$(parent_of "${directories[i]}")
    [[ -d $parent ]] || fail no-directory "There is no $parent on the host. Nothing was changed." "Make it first."
    free=$(df -B1 --output=avail -- "$parent" | tail -n 1)
    ((free > sizes[i])) || fail no-space "${directories[i]} needs $((sizes[i] / 1048576)) MiB beside what is there now, and only $((free / 1048576)) MiB are free. Nothing was changed." "Free some on the host."
  done
}

answer_checked() {
  local i out=''
  for i in "${!directories[@]}"; do
    json_object directory:s "${directories[i]}" aside:j null
    out+=,$REPLY
  done
  json_object outcome:s whole backup:s "$name" directories:j "[${out:1}]" reason:j null
  answer "$REPLY"
}

# parent_of DIRECTORY: where the new one is made. A mount point cannot be moved, so its content is.
parent_of() {
  if mountpoint --quiet -- "$1"; then printf %s "$1"; else printf %s "${1%/*}/"; fi
}

# shellcheck disable=SC2016 # expanded in the bash of its own
unpack() {
  local i code
  for i in "${!places[@]}"; do
    status unpack "unpacking ${directories[i]}"
    staged[i]=$(parent_of "${directories[i]}")
    staged[i]=${staged[i]%/}/.$id-$i.new
    code=0
    case ${kinds[i]} in
      tar)
        in_time 'mkdir -m 0700 -- "$2" && { case $1 in *.zst) zstd -dcq -- "$1" ;; *) gzip -dc -- "$1" ;; esac; } |
          tar --extract --acls --xattrs --numeric-owner --same-permissions --same-owner --directory="$2" && sync -f -- "$2"' "${places[i]}" "${staged[i]}" || code=$?
        ;;
      btrfs) in_time 'btrfs subvolume snapshot -- "$1" "$2"' "${places[i]}" "${staged[i]}" || code=$? ;;
      zfs) in_time 'cp --archive --reflink=auto --no-target-directory -- "$1" "$2" && sync -f -- "$2"' "${places[i]}" "${staged[i]}" || code=$? ;;
    esac
    if ((code)); then
      why_not "$code"
      give_up unpack-failed "${directories[i]} could not be unpacked beside what is there now: $REPLY. Nothing was changed." "Mend that on the host, and run again."
    fi
  done
}

stop_units() {
  local unit
  for unit in "${units[@]}"; do
    if ! systemctl is-active --quiet -- "$unit"; then continue; fi
    status stop "stopping $unit"
    stopped+=("$unit")
    timeout --kill-after=5 120 systemctl stop -- "$unit" </dev/null || {
      give_up unit-failed "$unit could not be stopped. The data were not changed." "See 'systemctl status $unit' on the host."
    }
  done
}

swap() {
  local i
  status swap "putting the data in their place"
  for i in "${!directories[@]}"; do
    aside[i]=${directories[i]}.before-$id
    if mountpoint --quiet -- "${directories[i]}"; then aside[i]=${directories[i]}/.before-$id; fi
    swap_one "$i" || {
      note "The swap of ${directories[i]} failed."
      swap_back "$i"
      give_up swap-failed "The data could not be put in their place of ${directories[i]}; what was there before is there again, or in ${aside[i]}." "See the log of the job: $JOB/log."
    }
    moved=yes
  done
  sync
}

swap_one() {
  local to=${directories[$1]}
  if [[ ${aside[$1]} == "$to"/* ]]; then
    mkdir -m 0700 -- "${aside[$1]}" && move_content "$to" "${aside[$1]}" && move_content "${staged[$1]}" "$to" && rmdir -- "${staged[$1]}"
  else
    if [[ -e $to || -L $to ]]; then mv -T -- "$to" "${aside[$1]}" || return; else aside[$1]=''; fi
    mv -T -- "${staged[$1]}" "$to"
  fi
}

# move_content FROM TO: all but what is ours.
move_content() {
  find "$1" -mindepth 1 -maxdepth 1 ! -name '.before-restore-data-*' ! -name '.restore-data-*' ! -name .zfs -exec mv -t "$2" -- {} +
}

# swap_back LAST: all up to that one.
swap_back() {
  local i to
  for ((i = $1; i >= 0; i--)); do
    to=${directories[i]}
    if [[ ! ${aside[i]} || ! -e ${aside[i]} ]]; then continue; fi
    if [[ ${aside[i]} == "$to"/* ]]; then
      mkdir -p -- "${staged[i]}" && move_content "$to" "${staged[i]}" && move_content "${aside[i]}" "$to" && rmdir -- "${aside[i]}"
    else
      if [[ -e $to ]]; then mv -T -- "$to" "${staged[i]}"; fi
      mv -T -- "${aside[i]}" "$to"
    fi || note "${to} could not be put back from ${aside[i]}."
  done
}

start_units() {
  local unit failed=''
  for unit in "${stopped[@]}"; do
    status start "starting $unit"
    timeout --kill-after=5 120 systemctl start -- "$unit" </dev/null || failed+=", $unit"
  done
  stopped=()
  if [[ $failed ]]; then units_failed=${failed:2}; fi
}

units_failed='' started_at=0

conclude() {
  local i out='' by_json reason=''
  if [[ $units_failed ]]; then reason="The data were restored, but units did not start again: $units_failed."; fi
  for i in "${!directories[@]}"; do
    json_object directory:s "${directories[i]}" aside:o "${aside[i]}"
    out+=,$REPLY
  done
  read_card "$JOB"
  by_to_json
  by_json=$REPLY
  json_object at:j "$EPOCHSECONDS" id:s "$id" mode:s restore-data outcome:s restored by:j "$by_json" executor:o "$card_executor" \
    reason:o "$reason" startedAt:j "$started_at" finishedAt:j "$EPOCHSECONDS" restored:j "{\"backup\":\"$name\",\"directories\":[${out:1}]}"
  append_record "$id" "$REPLY" || note "The ledger could not be written; the next transaction does it."
  json_object outcome:s restored backup:s "$name" directories:j "[${out:1}]" reason:o "$reason"
  answer "$REPLY"
}

# give_up CODE MESSAGE HINT: what was stopped runs again, and nothing half-done is left.
give_up() {
  start_units
  remove_staged
  if [[ $told_to_stop && ! $moved ]]; then fail cancelled "Cancelled. Nothing was changed."; fi
  fail "$@"
}

remove_staged() {
  local place
  for place in "${staged[@]}"; do
    if [[ ! -d $place ]]; then continue; fi
    timeout 60 btrfs subvolume delete -- "$place" >/dev/null 2>&1 || rm -rf -- "$place"
  done
}

is_cancelled() { [[ $told_to_stop ]]; }

cleanup() {
  if [[ $RUN ]]; then rm -rf -- "$RUN"; fi
}

main
