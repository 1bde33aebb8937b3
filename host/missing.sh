# needs: json.sh lib.sh roots.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Which of these paths does the store of this host not have? One query for all. And how many bytes are free for them?

main() {
  local -a paths=() missing=() more=()
  local i blocks size
  arg_list paths paths
  for i in "${!paths[@]}"; do require_store_path "paths.$i" "${paths[i]}"; done
  # The kernel bounds the length of a command line.
  for ((i = 0; i < ${#paths[@]}; i += 10000)); do
    mapfile -t more < <(print_invalid "${paths[@]:i:10000}")
    missing+=("${more[@]}")
  done
  read -r blocks size < <(stat -f -c '%a %S' -- /nix/store)
  json_array "${missing[@]}"
  answer "{\"missing\":$REPLY,\"free\":$((blocks * size))}"
}

main
