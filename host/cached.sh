# needs: json.sh lib.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Which of these binary caches has a path, as the Nix of this host sees them? Reads only.

readonly NIX=(nix --extra-experimental-features nix-command)

main() {
  local -a caches=() fds=()
  local path i fd out='' dir
  arg_get path && path=$REPLY
  require_store_path path "$path"
  arg_list caches caches
  for i in "${!caches[@]}"; do require_cache_url "caches.$i" "${caches[i]}"; done
  dir=$(mktemp -d)
  trap 'rm -rf -- "$dir"' RETURN
  # All at once: each may take until its time is over.
  for i in "${!caches[@]}"; do
    exec {fd}< <(exec timeout --kill-after=2 20 "${NIX[@]}" path-info --option narinfo-cache-negative-ttl 0 \
      --option narinfo-cache-positive-ttl 0 --option connect-timeout 10 --option download-attempts 1 --store "${caches[i]}" -- "$path" 2>"$dir/$i")
    fds[i]=$fd
  done
  for i in "${!caches[@]}"; do
    cache_state "${fds[i]}" "$dir/$i"
    out+=,$REPLY
  done
  answer "{\"caches\":[${out:1}]}"
}

# cache_state FD ERRORS
cache_state() {
  local line='' said='' state=unreachable fd=$1
  IFS= read -r line <&"$fd" || true
  exec {fd}<&-
  if [[ $line == /nix/store/* ]]; then
    state=has
  else
    while IFS= read -r line; do
      if [[ $line == *error:* ]]; then said=${line#*error: }; fi
    done <"$2"
    case $(<"$2") in
      # An empty one that nobody has pushed to yet lacks even its description.
      *'is not valid'* | *'does not appear to be a binary cache'*) state=lacks ;;
      *"don't know how to open Nix store"* | *'unsupported'*) state=unsupported ;;
    esac
  fi
  first_bytes "$said" 300
  json_object state:s "$state" said:s "$REPLY"
}

main
