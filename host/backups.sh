# needs: json.sh lib.sh data.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The backups of mutable data that the host has, the newest first. Reads only: whether an archive is whole, a restore finds out.

main() {
  local name out=''
  local -a names=()
  if [[ -d $BACKUPS/ ]]; then mapfile -t names < <(cd -- "$BACKUPS" && ls -t); fi
  for name in "${names[@]}"; do
    if [[ $name == *.new || ! -s $BACKUPS/$name/index ]]; then continue; fi
    backup_to_json "$name"
    out+=,$REPLY
  done
  answer "{\"backups\":[${out:1}]}"
}

backup_to_json() {
  local dir=$BACKUPS/$1 kind directory place sum bytes size steady before='' at out='' there
  if [[ -r $dir/previous ]]; then IFS= read -r before <"$dir/previous" || true; fi
  at=$(stat --format=%Y -- "$dir/index")
  while IFS=$'\t' read -r kind directory place sum bytes size steady; do
    case $kind in
      tar) place=$dir/$place ;;
      *) sum='' bytes=null ;;
    esac
    there=false
    if backup_is_there "$kind" "$directory" "$place"; then there=true; fi
    if [[ $steady == no ]]; then steady=false; else steady=true; fi
    json_object directory:s "$directory" kind:s "$kind" path:s "$place" sha256:o "$sum" bytes:j "$bytes" size:j "${size:-0}" \
      steady:j "$steady" there:j "$there"
    out+=,$REPLY
  done <"$dir/index"
  json_object name:s "$1" at:j "$at" system:o "$before" directories:j "[${out:1}]"
}

# backup_is_there KIND DIRECTORY PLACE
backup_is_there() {
  case $1 in
    tar) [[ -f $3 ]] ;;
    btrfs) [[ -d $3 ]] ;;
    zfs) [[ -d $2/.zfs/snapshot/${3##*@} ]] ;;
    *) false ;;
  esac
}

main
