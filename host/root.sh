# needs: json.sh lib.sh roots.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Keeps paths from being garbage collected, or lets them go.

main() {
  local -a names=() expected=() remove=() paths=()
  local name invalid
  arg_names add names
  arg_names expect expected
  arg_list remove remove
  for name in "${names[@]}"; do
    require_name "add.$name" "$name"
    require_store_path "add.$name" "${arg[add.$name]}"
    paths+=("${arg[add.$name]}")
  done
  for name in "${expected[@]}"; do
    require_name "expect.$name" "$name"
    require_store_path "expect.$name" "${arg[expect.$name]}"
  done
  for name in "${remove[@]}"; do require_name remove "$name"; done

  # Nix would try to build or fetch a path that is not there.
  if ((${#paths[@]})); then
    invalid=$(print_invalid "${paths[@]}")
    if [[ $invalid ]]; then
      free_bytes
      fail invalid-path "Not valid in the store of this host: ${invalid//$'\n'/, }." "Copy the paths first; no root was changed." details:j "{\"free\":$REPLY}"
    fi
  fi
  for name in "${names[@]}"; do
    add_root "$name" "${arg[add.$name]}" || fail root-failed "The gc root $ROOTS/$name could not be made." "Is the disk full?"
  done
  # A root of a path that comes later: a collection that begins after the path has come leaves it alone.
  for name in "${expected[@]}"; do
    { mkdir -p -- "$ROOTS" && ln -sfn -- "${arg[expect.$name]}" "$ROOTS/$name"; } ||
      fail root-failed "The gc root $ROOTS/$name could not be made." "Is the disk full?"
  done
  for name in "${remove[@]}"; do remove_root "$name"; done
  roots_to_json
  answer "{\"roots\":$REPLY}"
}

main
