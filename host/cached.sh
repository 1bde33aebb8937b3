# needs: json.sh lib.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Which of these paths does each of some binary caches not have, or without a signature that this host trusts? As its own Nix sees it. Reads only.

readonly NIX=(nix --extra-experimental-features nix-command)
readonly LIMIT=20

main() {
  local -a paths=() caches=() keys=()
  local i dir out=''
  arg_list paths paths
  ((${#paths[@]})) || fail bad-argument "[paths] is empty."
  for i in "${!paths[@]}"; do
    require_store_path "paths.$i" "${paths[i]}"
    index[${paths[i]}]=$i
  done
  arg_list caches caches
  for i in "${!caches[@]}"; do require_cache_url "caches.$i" "${caches[i]}"; done
  arg_list trustedKeys keys
  for i in "${!keys[@]}"; do require_public_key "trustedKeys.$i" "${keys[i]}"; done
  dir=$(mktemp -d)
  trap 'rm -rf -- "$dir"' RETURN
  # All at once: each may take until its time is over.
  for i in "${!caches[@]}"; do ask_cache "${caches[i]}" >"$dir/$i" 2>&1 & done
  own_keys
  wait
  for i in "${!caches[@]}"; do
    cache_state "$dir/$i" "${caches[i]}"
    out+=,$REPLY
  done
  json_array "${trusted[@]}" "${keys[@]}"
  answer "{\"keys\":$REPLY,\"caches\":[${out:1}]}"
}

declare -A index=()
declare -a trusted=()

# ask_cache URL: what Nix says of the paths there, and how it ended.
ask_cache() {
  local url=$1 i seconds=0
  local -a part=() options=(--option connect-timeout 5 --option download-attempts 1)
  # To ask makes the directory.
  if [[ $url =~ ^file://([^?]*) && ! -e ${BASH_REMATCH[1]}/nix-cache-info ]]; then
    printf 'not a binary cache\n'
    return
  fi
  if ((${#keys[@]})); then options+=(--option extra-trusted-public-keys "${keys[*]}"); fi
  # The kernel bounds the length of a command line.
  for ((i = 0; i < ${#paths[@]}; i += 10000)); do
    part=("${paths[@]:i:10000}")
    if [[ $url != file:* ]] && ((${#part[@]} > 10)); then
      prefetch "$url" "${part[@]}"
      seconds=$LIMIT
    fi
    # What the host remembers of the cache may be older than what is there. Its own caches are none of this.
    within "${NIX[@]}" store verify --no-contents --sigs-needed 1 --store "$url" --option substituters '' \
      --option narinfo-cache-negative-ttl "$seconds" --option narinfo-cache-positive-ttl "$seconds" "${options[@]}" -- "${part[@]}" || return 0
  done
}

# prefetch URL PATH...: `verify` asks for few paths at a time, and would take a minute for thousands in a distant cache. It finds what
# this remembers; the store is an empty one, because Nix asks for nothing that is there already.
prefetch() {
  within nix-store --store "$dir/store-$BASHPID" --realise --dry-run --option substituters "$1" --option http-connections 128 \
    --option narinfo-cache-negative-ttl 0 --option narinfo-cache-positive-ttl 0 "${options[@]}" -- "${@:2}" >/dev/null 2>&1 || true
}

# within COMMAND...: false when the time is over, which is said.
within() {
  local left=$((LIMIT - SECONDS)) code=0
  timeout --kill-after=2 "$((left > 0 ? left : 1))" "$@" || code=$?
  if ((code <= 6)); then return 0; fi
  printf 'exit %s\n' "$code"
  return 1
}

# own_keys: whom the host trusts. `nix show-config` is the name before Nix 2.20.
own_keys() {
  local line
  while IFS= read -r line; do
    if [[ $line == 'trusted-public-keys = '* ]]; then read -r -a trusted <<<"${line#* = }"; fi
  done < <("${NIX[@]}" config show 2>/dev/null || "${NIX[@]}" show-config 2>/dev/null)
}

# cache_state FILE URL
cache_state() {
  local line said='' state=open signers='[]'
  local -a missing=() untrusted=()
  while IFS= read -r line; do
    case $line in
      *"error: path '/nix/store/"*"' is not valid"*) if index_of "$line"; then missing+=("$REPLY"); fi ;;
      *"path '/nix/store/"*"' is untrusted"*) if index_of "$line"; then untrusted+=("$REPLY"); fi ;;
      # An empty one that nobody has pushed to yet lacks even its description.
      *'does not appear to be a binary cache'* | 'not a binary cache') missing=("${!paths[@]}") ;;
      *'.narinfo'*'corrupt'*) state=damaged said=${line#*error: } ;;
      'exit '*) state=unanswered said="no answer to all of it within $LIMIT s" ;;
      *"don't know how to open Nix store"* | *'error: '*'unsupported'*) state=unsupported said=${line#*error: } ;;
      'error: '*) if [[ $state == open ]]; then state=unreachable said=${line#*error: }; fi ;;
    esac
  done <"$1"
  if ((${#untrusted[@]})); then
    signers_of "$2" "${paths[untrusted[0]]}"
    signers=$REPLY
  fi
  first_bytes "$said" 300
  said=$REPLY
  local IFS=,
  json_object state:s "$state" said:s "$said" missing:j "[${missing[*]}]" untrusted:j "[${untrusted[*]}]" signers:j "$signers"
}

# index_of LINE: REPLY is where the path in it stands among those that were asked for.
index_of() {
  local path=${1#*"path '"}
  REPLY=${index[${path%%"'"*}]-}
  [[ $REPLY ]]
}

# signers_of URL PATH: REPLY is a list of the names of the keys that have signed it there.
signers_of() {
  local word
  local -a words=() names=()
  read -r -a words < <(timeout 10 "${NIX[@]}" path-info --sigs --store "$1" -- "$2" 2>/dev/null || true)
  for word in "${words[@]:1}"; do
    if [[ $word =~ ^([A-Za-z0-9._-]+):[A-Za-z0-9+/]{86}==$ ]]; then names+=("${BASH_REMATCH[1]}"); fi
  done
  json_array "${names[@]}"
}

main
