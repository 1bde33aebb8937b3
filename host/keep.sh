# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What a host keeps of the releases that it has committed: their manifests, and their systems.

readonly MANIFEST_BYTES=262144

check_keep() {
  arg[keep.releases]=${arg[keep.releases]:-20} arg[keep.generations]=${arg[keep.generations]:-2}
  [[ ${arg[keep.releases]} =~ ^(0|[1-9][0-9]{0,3})$ ]] || fail bad-argument "[keep.releases] is not a number."
  # What runs and what ran before it: the way back.
  [[ ${arg[keep.generations]} =~ ^([2-9]|[1-9][0-9]{1,2})$ ]] || fail bad-argument "[keep.generations] is not a number of at least 2."
  REPLY=${arg[manifest]-}
  ((${#REPLY} <= MANIFEST_BYTES)) || fail bad-argument "[manifest] has ${#REPLY} bytes, more than $MANIFEST_BYTES."
}

# keep_manifest: beside the systems, in a file that is named after the hash of the system; of links alone, after the transaction.
keep_manifest() {
  local dir=$STATE/releases name=$id file
  local -a files=()
  [[ ${arg[manifest]-} ]] || return 0
  if [[ $with_system ]]; then
    name=${toplevel#/nix/store/}
    name=${name%%-*}
  fi
  {
    mkdir -p -- "$dir" && write_file "$dir/$name.json" "${arg[manifest]}" && sync -- "$dir/$name.json" "$dir"
  } 2>/dev/null || { note "The manifest of the release could not be kept in $dir."; return 0; }
  mapfile -t files < <(cd -- "$dir" && ls -t)
  for file in "${files[@]:arg[keep.releases]}"; do rm -f -- "$dir/$file"; done
}

# manifest_before: REPLY is the manifest of the release that was committed last, if that is what runs.
manifest_before() {
  local file name hash=${before_system#/nix/store/}
  { read -r file || true; } < <(cd -- "$STATE/releases" 2>/dev/null && ls -t)
  name=${file%.json}
  if [[ $name =~ ^[0-9a-z]{32}$ && $name != "${hash%%-*}" ]]; then return 1; fi
  [[ $name ]] && REPLY=$(tr -d '\000' <"$STATE/releases/$file" 2>/dev/null)
}

# component_of_manifest MANIFEST NAME: REPLY is its path in the canonical JSON of a release, of this machine's system.
component_of_manifest() {
  local set=${1#*\"components\":}
  [[ $set != "$1" && $set == *\""$HOSTTYPE-linux"\":\{* ]] || return 1
  set=${set#*\""$HOSTTYPE-linux"\":\{}
  [[ ,${set%%\}\}*} =~ ,\"${2//./\\.}\":\{[^{}]*\"path\":\"(/nix/store/[^\"]+)\" ]] && REPLY=${BASH_REMATCH[1]}
}

# keep_generations: the systems before the previous one, the newest first. Called before `current` and `previous` move, so
# that a collection finds each of them held at any moment.
keep_generations() {
  local root target older=$((${arg[keep.generations]} - 2))
  local -a roots=()
  for root in previous current; do
    if ! [[ -L $ROOTS/$root ]]; then continue; fi
    target=$(readlink -- "$ROOTS/$root")
    if [[ $target == "$toplevel" || $target == "$previous" ]]; then continue; fi
    name_of_generation "$target" && ln -sfT -- "$target" "$ROOTS/$REPLY"
  done
  for target in "$toplevel" "$previous"; do
    name_of_generation "$target" && remove_root "$REPLY"
  done
  for root in "$ROOTS"/generation-*; do
    if [[ -L $root ]]; then roots+=("$root"); fi
  done
  if ((${#roots[@]})); then mapfile -t roots < <(ls -td -- "${roots[@]}"); fi
  for root in "${roots[@]:older}"; do rm -f -- "$root"; done
}

name_of_generation() {
  REPLY=${1#/nix/store/}
  REPLY=generation-${REPLY%%-*}
  [[ $1 =~ $STORE_PATH ]]
}
