# needs: json.sh lib.sh roots.sh nixlog.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Job: fetches a path and all that it needs from binary caches. Nothing is taken that no trusted key has signed, and nothing is
# built here, unless there is a derivation to build it by.

main() {
  local -a caches=() keys=() options=()
  local path wanted i mark failed=''
  [[ $JOB ]] || fail not-a-job "A fetch runs only as a job." "Use start."
  trap on_term TERM
  now
  began=$REPLY
  arg_get path && path=$REPLY
  require_store_path path "$path"
  arg_list caches caches
  ((${#caches[@]})) || fail bad-argument "[caches] is empty."
  for i in "${!caches[@]}"; do
    require_cache_url "caches.$i" "${caches[i]}"
    # Nix asks them in the order of a number that the cache itself tells, unless the URL does.
    mark='?'
    if [[ ${caches[i]} == *\?* ]]; then mark='&'; fi
    caches[i]+=${mark}priority=$((i + 1))
  done
  arg_list trustedKeys keys
  for i in "${!keys[@]}"; do
    require_public_key "trustedKeys.$i" "${keys[i]}"
  done
  options=(
    --option substituters "${caches[*]}" --option require-sigs true
    --option narinfo-cache-negative-ttl 600 --option narinfo-cache-positive-ttl 600 --option connect-timeout 15 --option download-attempts 2
    # The delay of a distant cache does not show when enough is under way.
    --option max-substitution-jobs 128 --option http-connections 128
  )
  wanted=$path
  if [[ ${arg[derivation]-} ]]; then
    wanted=${arg[derivation]}
    require_store_path derivation "$wanted"
    options+=(--option fallback true)
  else
    options+=(--option max-jobs 0 --option builders '' --option fallback false)
  fi
  if ((${#keys[@]})); then options+=(--option extra-trusted-public-keys "${keys[*]}"); fi
  # What Nix remembers of a cache may be older than the signatures there. Without any memory it would ask twice for each path,
  # and the second time for one after the other.
  export XDG_CACHE_HOME=$JOB/cache NIX_CACHE_HOME=$JOB/cache/nix
  status pull "asking the caches"
  watch_nix count_pulls nix-store "${options[@]}" --realise -- "$wanted" || failed=yes
  rm -rf -- "$JOB/cache"
  if [[ $failed ]]; then pull_error "$path"; fi
  if [[ $wanted != "$path" && $(print_invalid "$path") ]]; then
    fail not-the-same "The host built ${wanted##*/}, and that is not ${path##*/}." "Build the release again on the builder."
  fi
  now
  seconds $((REPLY - began))
  answer_sources "$REPLY"
}

began=0 copied=0 total=0 built=0
declare -A from=()

# count_pulls LINE: "fetching 312/1904 paths".
count_pulls() {
  local source
  if [[ $1 =~ these\ ([0-9]+)\ paths\ will\ be\ fetched ]]; then
    total=${BASH_REMATCH[1]}
  elif [[ $1 =~ ^copying\ path\ \'[^\']*\'\ from\ \'([^\']*)\' ]]; then
    source=${BASH_REMATCH[1]%[?&]priority=*}
    copied=$((copied + 1))
    if ((total < copied)); then total=$copied; fi
    from[$source]=$((${from[$source]:-0} + 1))
    status pull "fetching $copied/$total paths from $source" "done" "$copied" total "$total"
  elif [[ $1 =~ ^building\ \'/nix/store/[^-]*-(.*)\.drv\' ]]; then
    built=$((built + 1))
    status build "building ${BASH_REMATCH[1]}, which no cache has with a trusted signature" built "$built"
  fi
}

answer_sources() {
  local url out=''
  for url in "${!from[@]}"; do
    json_member "$url" "${from[$url]}"
    out+=$REPLY
  done
  answer "{\"copied\":$copied,\"built\":$built,\"from\":{${out:1}},\"seconds\":$1}"
}

pull_error() {
  local text
  text=$(tail -n 15 -- "$NIX_LOG")
  case $text in
    *'not signed by any of the keys'* | *'lacks a signature by a trusted key'* | *'lacks a valid signature'* | *'does not have a valid signature'*)
      fail untrusted-signature "The host trusts no signature on what the caches have."$'\n'"$text" \
        "Sign the release on the builder, and add the public key to the host's trusted-public-keys or to [copy.trustedKeys]."
      ;;
    *'does not exist in binary cache'* | *'hash mismatch'* | *'input compression'* | *'.narinfo'*'corrupt'* | *'NAR '*'truncated'* | *'does not match'*)
      fail damaged-cache "A cache is not whole: it tells of a path, and does not have it as it should."$'\n'"$text" \
        "Where the builder pushes to a directory, it has looked there. Else delete the path's .narinfo in the cache, and run again: it is pushed again."
      ;;
    *'No space left on device'* | *'database or disk is full'*) fail no-space "The disk of the host is full."$'\n'"$text" "Free space there and run again: paths that have arrived are kept." ;;
    *'unable to download'* | *'Could not resolve'* | *'timed out'*)
      fail cache-unreachable "A cache cannot be reached from the host."$'\n'"$text" "Run again when it can: paths that have arrived are kept."
      ;;
    *'no substituter that can build it'* | *"don't know how to build"* | *'no substituter'*)
      fail not-cached "The caches do not have all of ${1##*/}."$'\n'"$text" "Push it there: \`nix copy --to CACHE $1\` on the builder, or set push of a cache."
      ;;
    *) fail pull-failed "The fetch from the caches failed."$'\n'"$text" ;;
  esac
}

main
