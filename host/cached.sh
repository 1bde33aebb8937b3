# needs: json.sh lib.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Which of these binary caches has a path, as the Nix of this host sees them, and whose signatures does it carry there? Reads only.

readonly NIX=(nix --extra-experimental-features nix-command)

main() {
  local -a caches=() fds=() files=()
  local path i fd out='' dir
  arg_get path && path=$REPLY
  require_store_path path "$path"
  arg_list caches caches
  for i in "${!caches[@]}"; do
    [[ ${caches[i]} =~ $CACHE_URL ]] || {
      quote "${caches[i]}"
      fail bad-argument "[caches.$i] is not the URL of a binary cache: $REPLY."
    }
  done
  dir=$(mktemp -d)
  trap 'rm -rf -- "$dir"' RETURN
  # All at once: each may take until its time is over.
  for i in "${!caches[@]}"; do
    exec {fd}< <(exec timeout --kill-after=2 20 "${NIX[@]}" path-info --sigs --option narinfo-cache-negative-ttl 0 \
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
  local -a words=() signers=()
  IFS= read -r line <&"$fd" || true
  exec {fd}<&-
  if [[ $line == /nix/store/* ]]; then
    state=has
    read -r -a words <<<"$line"
    for word in "${words[@]:1}"; do
      if [[ $word =~ ^([A-Za-z0-9._-]+):[A-Za-z0-9+/=]{80,}$ ]]; then signers+=("${BASH_REMATCH[1]}"); fi
    done
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
  said=$REPLY
  json_array "${signers[@]}"
  json_object state:s "$state" signers:j "$REPLY" said:s "$said"
}

main
