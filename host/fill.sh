# needs: json.sh lib.sh roots.sh nixlog.sh damaged.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Job: pushes a path and all that it needs to binary caches, one after the other. All of them are looked at before the first one gets anything.

readonly NIX=(nix --extra-experimental-features nix-command)
readonly CACHIX_URL='^cachix://([a-z0-9][a-z0-9-]*)$'

main() {
  local -a suspects=()
  local path i count derivation=''
  [[ $JOB ]] || fail not-a-job "A push runs only as a job." "Use start."
  trap on_term TERM
  now
  began=$REPLY
  arg_get path && path=$REPLY
  require_store_path path "$path"
  arg_list suspects suspects
  for i in "${!suspects[@]}"; do require_store_path "suspects.$i" "${suspects[i]}"; done
  count=${arg[caches.length]:-0}
  [[ $count =~ ^[1-9][0-9]?$ ]] || fail bad-argument "[caches] is not a list."
  for ((i = 0; i < count; i++)); do require_cache "caches.$i"; done
  if [[ ${arg[derivation]-} == true ]]; then
    find_derivation "$path"
    derivation=$REPLY
  fi
  for ((i = 0; i < count; i++)); do fill "caches.$i" "$path" "$derivation"; done
  now
  seconds $((REPLY - began))
  json_object copied:j "$copied" dropped:j "$dropped" derivation:o "$derivation" seconds:j "$REPLY"
  answer "$REPLY"
}

began=0 copied=0 dropped=0 total=0 to=''

# require_cache PROPERTY
require_cache() {
  arg_get "$1.to"
  if [[ $REPLY =~ $CACHIX_URL ]]; then
    type -P cachix >/dev/null || fail no-cachix "The builder has no cachix, which a push to $REPLY needs. Nothing was pushed." "Install it there (nixpkgs#cachix, into the system's packages)."
    arg_get "$1.tokenFile"
    require_directory "$1.tokenFile" "$REPLY"
    [[ -f $REPLY && -s $REPLY ]] || {
      quote "$REPLY"
      fail no-token "There is no token of Cachix in $REPLY on the builder. Nothing was pushed." "Put an auth token of the cache there, readable by root alone."
    }
  else
    require_cache_url "$1.to" "$REPLY"
  fi
}

# find_derivation PATH: REPLY is what it was built from.
find_derivation() {
  REPLY=$(nix-store --query --deriver -- "$1")
  if [[ ! $REPLY =~ $STORE_PATH || $(print_invalid "$REPLY") ]]; then
    fail no-derivation "The builder does not have the derivation of ${1##*/} any more, by which the host could build it. Nothing was pushed." "Build the release again there."
  fi
}

# fill PROPERTY PATH DERIVATION
fill() {
  local path=$2 derivation=$3
  local -a subject=("$path")
  to=${arg[$1.to]} total=0
  if [[ ${arg[$1.repair]-} == true && $to == file://* ]]; then
    status repair "looking for damage in $to"
    drop_damaged "$to" "${suspects[@]}"
    dropped=$((dropped + REPLY))
  fi
  status push "pushing to $to"
  if [[ $to =~ $CACHIX_URL ]]; then
    watch_nix count_pushes cachix_push "${BASH_REMATCH[1]}" "${arg[$1.tokenFile]}" "${derivation:-$path}" || push_error
    return
  fi
  if [[ $derivation ]]; then subject=(--derivation "$derivation"); fi
  watch_nix count_pushes "${NIX[@]}" copy --to "$to" "${subject[@]}" || push_error
  # Nix does not touch what a cache has already, also not to add the signatures that have come since.
  if [[ ${arg[$1.signatures]-} == true ]]; then
    status sign "adding signatures in $to"
    watch_nix : "${NIX[@]}" store copy-sigs --recursive --store "$to" --substituter auto -- "$path" || push_error
  fi
}

# cachix_push NAME TOKEN-FILE PATH: the token is in the environment of this one process alone.
cachix_push() {
  local token
  token=$(<"$2")
  CACHIX_AUTH_TOKEN=$token exec cachix push "$1" "$3"
}

# count_pushes LINE: "pushing 312/1904 paths".
count_pushes() {
  if [[ $1 =~ ^copying\ ([0-9]+)\ paths || $1 =~ ^Pushing\ ([0-9]+)\ paths ]]; then
    total=$((copied + BASH_REMATCH[1]))
  elif [[ $1 == "copying path '"* || $1 =~ ^(Pushing\ )?/nix/store/ ]]; then
    copied=$((copied + 1))
    if ((total < copied)); then total=$copied; fi
    status push "pushing $copied/$total paths to $to" "done" "$copied" total "$total"
  fi
}

push_error() {
  local text
  text=$(tail -n 15 -- "$NIX_LOG")
  case $text in
    *"don't know how to open Nix store"* | *'unsupported'*'s3'*)
      fail unsupported "The Nix of the builder cannot open $to: it is built without that kind of store."$'\n'"$text" "Install a Nix that has it, or use another cache."
      ;;
    *'No space left on device'* | *'database or disk is full'*) fail no-space "There is no space for $to."$'\n'"$text" "Free space there and run again: paths that have arrived are kept." ;;
    *'Permission denied'* | *'HTTP error 401'* | *'HTTP error 403'* | *'Unauthorized'* | *'Forbidden'*) fail auth "$to does not let the builder push."$'\n'"$text" "Give the builder's root the right to write there." ;;
    *'unable to download'* | *'unable to upload'* | *'Could not resolve'* | *'Connection refused'* | *'timed out'* | *'No route to host'* | *'Network is unreachable'*)
      fail unreachable "$to cannot be reached from the builder."$'\n'"$text" "Run again when it can: paths that have arrived are kept."
      ;;
    *) fail push-failed "The push to $to failed."$'\n'"$text" ;;
  esac
}

main
