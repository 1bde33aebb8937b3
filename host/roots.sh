# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Where the store is held: the three system links and our own gc roots.

# system_paths: sets current_system, booted_system and profile_system; empty if absent. A path may have been deleted.
system_paths() {
  local name link
  local -a names=() links=() targets=()
  current_system='' booted_system='' profile_system=''
  for name in current_system:/run/current-system booted_system:/run/booted-system profile_system:"$PROFILE"; do
    link=${name#*:}
    if [[ -L $link ]]; then names+=("${name%%:*}") links+=("$link"); fi
  done
  if ((${#links[@]})); then mapfile -t targets < <(readlink -f -- "${links[@]}"); fi
  for name in "${!names[@]}"; do printf -v "${names[name]}" %s "${targets[name]-}"; done
}

# print_invalid PATH...: those that are not valid in the store, one a line.
print_invalid() {
  nix-store --check-validity --print-invalid -- "$@"
}

# free_bytes: how much the store may still grow by.
free_bytes() {
  local blocks size
  read -r blocks size < <(stat -f -c '%a %S' -- /nix/store)
  REPLY=$((blocks * size))
}

# roots_to_json: {name: target} of all our roots.
roots_to_json() {
  local out='' name target link
  local -a links=()
  for link in "$ROOTS"/*; do
    if [[ -L $link ]]; then links+=("$link"); fi
  done
  if ((${#links[@]})); then
    while IFS=$'\t' read -r name target; do
      json_string "$target"
      json_member "$name" "$REPLY"
      out+=$REPLY
    done < <(find "${links[@]}" -maxdepth 0 -printf '%f\t%l\n')
  fi
  REPLY="{${out:1}}"
}

# add_root NAME PATH: PATH, which must be valid, cannot be collected from now on.
add_root() {
  mkdir -p -- "$ROOTS"
  # Nix takes a temporary root first, so that a collection that is under way sees it; a link made by hand would be too late.
  nix-store --option substitute false --option max-jobs 0 --add-root "$ROOTS/$1" --realise -- "$2" >/dev/null
}

# remove_root NAME
remove_root() {
  rm -f -- "$ROOTS/$1"
}

# read_line FILE: REPLY is its first line; false if there is none.
read_line() {
  REPLY=
  [[ -r $1 ]] && { IFS= read -r REPLY <"$1" || [[ $REPLY ]]; }
}

# last_commit LEDGER: REPLY is its last whole line about a release that stayed; false if there is none.
last_commit() {
  local line last=''
  REPLY=
  [[ -s $1 ]] || return 1
  while IFS= read -r line; do
    if is_commit "$line"; then last=$line; fi
  done < <(tail -n 30 -- "$1")
  # Rare: nothing but refusals and rollbacks for so long.
  if [[ ! $last ]]; then
    while IFS= read -r line; do
      if is_commit "$line"; then last=$line; break; fi
    done < <(tac -- "$1" 2>/dev/null | grep -aE '"outcome":"(committed|tested)"')
  fi
  REPLY=$last
  [[ $last ]]
}

# is_commit LINE: a line cut short by a power cut is no record, and neither are two that ran into each other.
is_commit() {
  [[ $1 == '{"at":'*'"outcome":"'@(committed|tested)'"'*'}' && ${1:1} != *'{"at":'* ]]
}
