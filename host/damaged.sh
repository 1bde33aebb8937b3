# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What a binary cache in a directory has, and not as it says.

# drop_damaged URL PATH...: takes the description and the contents of such paths away, so that they are pushed again. REPLY: how many.
drop_damaged() {
  local directory=${1#file://} url=$1 path file nar line dropped=0
  local -a there=()
  directory=${directory%%\?*}
  shift
  for path; do
    if [[ -e $directory/${path:11:32}.narinfo ]]; then there+=("$path"); fi
  done
  if ((!${#there[@]})) || is_whole "$url" "${there[@]}"; then
    REPLY=0
    return
  fi
  # Nix does not name every path that it finds to be damaged.
  for path in "${there[@]}"; do
    if is_whole "$url" "$path"; then continue; fi
    file=$directory/${path:11:32}.narinfo nar=''
    while IFS= read -r line; do
      if [[ $line =~ ^URL:\ (nar/[a-z0-9]+\.nar(\.[a-z0-9]+)?)$ ]]; then nar=${BASH_REMATCH[1]}; fi
    done <"$file" || true
    note "$path is damaged in $directory: taking it away"
    rm -f -- "$file" ${nar:+"$directory/$nar"}
    dropped=$((dropped + 1))
  done
  REPLY=$dropped
}

# is_whole URL PATH...: reads all of their contents.
is_whole() {
  local url=$1 i
  local -a of=("${@:2}")
  for ((i = 0; i < ${#of[@]}; i += 10000)); do
    watch_nix : nix --extra-experimental-features nix-command store verify --no-trust --store "$url" --option substituters '' -- "${of[@]:i:10000}" || return 1
  done
}
