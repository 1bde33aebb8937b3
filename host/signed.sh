# needs: json.sh lib.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Which of these paths does the store of this host have without a signature by one of these keys? Reads only.

main() {
  local -a paths=() keys=() unsigned=()
  local i line
  arg_list paths paths
  for i in "${!paths[@]}"; do require_store_path "paths.$i" "${paths[i]}"; done
  arg_list keys keys
  for i in "${!keys[@]}"; do require_public_key "keys.$i" "${keys[i]}"; done
  for ((i = 0; i < ${#paths[@]}; i += 10000)); do
    while IFS= read -r line; do
      if [[ $line == "path '"*"' is untrusted" ]]; then
        line=${line#*\'}
        unsigned+=("${line%\'*}")
      fi
    done < <(nix --extra-experimental-features nix-command store verify --no-contents --sigs-needed 1 \
      --option substituters '' --option trusted-public-keys "${keys[*]}" -- "${paths[@]:i:10000}" 2>&1)
  done
  json_array "${unsigned[@]}"
  answer "{\"unsigned\":$REPLY}"
}

main
