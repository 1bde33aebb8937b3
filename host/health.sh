# needs: json.sh lib.sh units.sh roots.sh probe-place.sh probe-kinds.sh probe.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Is the host healthy now, by its health contract? A service that has long been up needs no grace and no soak. Reads only.

readonly PROBE_SECONDS=10

RUN='' step=health cancelled=''
declare -a link_names=()

main() {
  local i machine_id='' reason=''
  arg_list links.names link_names
  for i in "${!link_names[@]}"; do require_name "links.names.$i" "${link_names[i]}"; done
  if ((${#link_names[@]})); then require_directory links.directory "${arg[links.directory]-}"; fi
  check_probes
  for ((i = 0; i < ${arg[probes.length]:-0}; i++)); do
    arg[probes.$i.graceSeconds]=0 arg[probes.$i.soakSeconds]=0 arg[probes.$i.deadlineSeconds]=$PROBE_SECONDS
  done
  RUN=$(mktemp -d)
  read_line /etc/machine-id && machine_id=$REPLY
  system_paths
  run_probes "$current_system" || reason=$probes_failed
  json_object machineId:s "$machine_id" currentSystem:o "$current_system" reason:o "$reason" probes:j "$probes_json"
  answer "$REPLY"
}

cleanup() {
  if [[ $RUN ]]; then rm -rf -- "$RUN"; fi
}

is_cancelled() { return 1; }

# store_paths_of_links: sets runs to what the links lead to, which is of the release as the system is.
store_paths_of_links() {
  local name all=''
  for name in "${link_names[@]}"; do all+=$(readlink -- "${arg[links.directory]}/$name")$'\n' || true; done
  store_paths_in "$all"
}

strays_from_links() { return 1; }

main
