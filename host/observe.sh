# needs: json.sh lib.sh jobs.sh units.sh roots.sh images.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What does this host run? Reads only.

main() {
  local -a asked=() units=() paths=()
  arg_list units asked
  arg_list paths paths
  local i link_dir=${arg[links.directory]-}
  local -a link_names=()
  arg_list links.names link_names
  for i in "${!link_names[@]}"; do require_name "links.names.$i" "${link_names[i]}"; done
  for i in "${!asked[@]}"; do
    require_unit "units.$i" "${asked[i]}"
    units+=("$REPLY")
  done
  for i in "${!paths[@]}"; do require_store_path "paths.$i" "${paths[i]}"; done

  # The slow ones start together and are read one after the other.
  local failed_fd closure_fd=''
  local -a targets=()
  start_nix_version
  exec {failed_fd}< <(failed_units_command)
  if ((${#units[@]} + ${#paths[@]})) && [[ -e /run/current-system ]]; then
    link_targets
    exec {closure_fd}< <(exec nix-store --query --requisites -- /run/current-system "${targets[@]}")
  fi
  read_units "$ACTIVATION_UNIT" "${units[@]}"
  read_executables "${units[@]}"

  local nix_version invalid
  local -a failed=()
  if [[ $closure_fd ]]; then IFS= read -r -d '' unit_closure <&"$closure_fd" || true; fi
  invalid_among "${paths[@]}"
  invalid=$REPLY
  read_failed_units "$failed_fd"
  if [[ $REPLY ]]; then mapfile -t failed <<<"$REPLY"; fi
  read_nix_version
  nix_version=$REPLY

  local hostname machine_id='' nixos_version='' ledger='' generation=null moved_json=null
  IFS= read -r hostname </proc/sys/kernel/hostname
  read_line /etc/machine-id && machine_id=$REPLY
  read_line /run/current-system/nixos-version && nixos_version=$REPLY
  last_commit "$STATE/ledger.jsonl" && ledger=$REPLY
  system_paths
  links_of_systems

  # Its closure could be read, so it is valid: whoever asks next need not ask.
  if [[ $unit_closure && " ${paths[*]} " != *" $current_system "* ]]; then paths+=("$current_system"); fi

  local failed_json units_json paths_json links_json trial unproven reboot roots_json activation_json interrupted_json last_json
  json_array "${failed[@]}"
  failed_json=$REPLY
  units_to_json
  units_json=$REPLY
  paths_to_json "$invalid" "${paths[@]}"
  paths_json=$REPLY
  links_to_json
  links_json=$REPLY
  read_line "$STATE/links/trial" || true
  trial=$REPLY
  read_line "$BOOT_UNPROVEN" || true
  unproven=$REPLY
  roots_to_json
  roots_json=$REPLY
  if [[ $profile_system && $booted_system != "$profile_system" ]]; then changed_images "$booted_system" "$profile_system"; else REPLY=; fi
  reboot=$REPLY
  activation_to_json
  activation_json=$REPLY
  interrupted_to_json
  interrupted_json=$REPLY
  last_to_json
  last_json=$REPLY

  json_object hostname:s "$hostname" machineId:s "$machine_id" system:s "$HOSTTYPE-linux" \
    nixVersion:s "$nix_version" nixosVersion:o "$nixos_version" \
    currentSystem:o "$current_system" bootedSystem:o "$booted_system" profile:o "$profile_system" bootUnproven:o "$unproven" rebootFor:o "$reboot" generation:j "$generation" moved:j "$moved_json" \
    failedUnits:j "$failed_json" units:j "$units_json" paths:j "$paths_json" roots:j "$roots_json" \
    links:j "$links_json" linksOnTrial:o "$trial" \
    activation:j "$activation_json" interrupted:j "$interrupted_json" last:j "$last_json" ledger:j "${ledger:-null}"
  answer "$REPLY"
}

# links_of_systems: when the links to the running system and to the boot default were made, and the number of the latter.
links_of_systems() {
  local time path target current='' profile=''
  while IFS=$'\t' read -r time path target; do
    if [[ $path == "$PROFILE" ]]; then
      profile=${time%%.*}
      if [[ $target =~ ^system-([0-9]+)-link$ ]]; then generation=${BASH_REMATCH[1]}; fi
    else
      current=${time%%.*}
    fi
  done < <(find /run/current-system "$PROFILE" -maxdepth 0 -printf '%T@\t%p\t%l\n' 2>/dev/null)
  json_object currentSystem:j "${current:-null}" profile:j "${profile:-null}"
  moved_json=$REPLY
}

# link_targets: sets targets to the store paths, as far as there are such, that the links lead to.
link_targets() {
  local name
  targets=()
  for name in "${link_names[@]}"; do
    if [[ $(readlink -e -- "$link_dir/$name") =~ ^/nix/store/[^/]+ ]]; then targets+=("${BASH_REMATCH[0]}"); fi
  done
}

# links_to_json: where each leads, or in words what is there instead.
links_to_json() {
  local out='' name path value
  for name in "${link_names[@]}"; do
    path=$link_dir/$name value=null
    if [[ -L $path ]]; then
      json_string "$(readlink -- "$path")"
      value=$REPLY
    elif [[ -e $path ]]; then
      value='"(no link)"'
    fi
    json_member "$name" "$value"
    out+=$REPLY
  done
  REPLY="{${out:1}}"
}

# On NixOS the path of the program tells its version; elsewhere it has to be asked.
nix_version_fd='' nix_version_known=''
start_nix_version() {
  local program=/run/current-system/sw/bin/nix
  if [[ -e $program ]]; then program=$(readlink -f -- "$program"); fi
  if [[ $program =~ ^/nix/store/[^/]*-nix-([0-9][0-9a-z.]*)(pre[^/]*)?/bin/ ]]; then
    nix_version_known=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
  else
    exec {nix_version_fd}< <(exec nix --version)
  fi
}

read_nix_version() {
  REPLY=$nix_version_known
  if [[ $nix_version_fd ]]; then
    IFS= read -r REPLY <&"$nix_version_fd" || true
    REPLY=${REPLY##* }
  fi
}

# invalid_among [PATH]...: REPLY is those that are not valid. What the running system needs is valid without asking.
invalid_among() {
  local path
  local -a doubtful=()
  for path; do
    if [[ $'\n'$unit_closure != *$'\n'"$path"$'\n'* ]]; then doubtful+=("$path"); fi
  done
  REPLY=
  if ((${#doubtful[@]})); then REPLY=$(print_invalid "${doubtful[@]}"); fi
}

# Reads asked and units of main: the names as the caller wrote them, and in full.
units_to_json() {
  local out='' i name
  for i in "${!units[@]}"; do
    name=${units[i]}
    unit_runs "$name"
    local runs_json drop_ins_json member=null
    json_array "${runs[@]}"
    runs_json=$REPLY
    if ((${#runs[@]})); then
      if runs_in_closure; then member=true; else member=false; fi
    fi
    local -a drop_ins=()
    read -r -a drop_ins <<<"${unit[$name DropInPaths]-}" || true
    json_array "${drop_ins[@]}"
    drop_ins_json=$REPLY
    local reload=false since=null
    if [[ ${unit[$name StateChangeTimestampMonotonic]-} =~ ^[1-9][0-9]*$ ]]; then
      now
      since=$((EPOCHSECONDS - (REPLY - BASH_REMATCH[0]) / 1000000))
    fi
    if [[ ${unit[$name NeedDaemonReload]-} == yes ]]; then reload=true; fi
    json_object load:s "${unit[$name LoadState]-}" active:s "${unit[$name ActiveState]-}" \
      sub:s "${unit[$name SubState]-}" result:s "${unit[$name Result]-}" fragment:o "${unit[$name FragmentPath]-}" \
      since:j "$since" dropIns:j "$drop_ins_json" needReload:j "$reload" runs:j "$runs_json" memberOf:j "$member"
    json_member "${asked[i]}" "$REPLY"
    out+=$REPLY
  done
  REPLY="{${out:1}}"
}

paths_to_json() {
  local invalid=$'\n'$1$'\n' out='' path
  shift
  for path; do
    if [[ $invalid == *$'\n'"$path"$'\n'* ]]; then json_member "$path" false; else json_member "$path" true; fi
    out+=$REPLY
  done
  REPLY="{${out:1}}"
}

# The activation that runs now.
activation_to_json() {
  case ${unit[$ACTIVATION_UNIT ActiveState]-} in
    active | activating | deactivating | reloading) ;;
    *)
      REPLY=null
      return
      ;;
  esac
  local id=${unit[$ACTIVATION_UNIT Description]-}
  id=${id#'nixos-promote job '}
  read_status "$STATE/jobs/$id"
  json_object id:s "$id" step:s "$status_step"
}

# The last activation, if it neither runs nor left a result: killed, or the power was cut.
interrupted_to_json() {
  local id dir
  if read_line "$STATE/activation" && id=$REPLY dir=$STATE/jobs/$REPLY && [[ -e $dir/status.json ]] &&
    ! job_alive "$dir" && ! read_result "$dir"; then
    read_status "$dir"
    local record=''
    # What the guard of nixos/modules has seen at boot.
    if read_line "$dir/interrupted.json" && [[ $REPLY == '{'*'}' ]]; then record=$REPLY; fi
    json_object id:s "$id" step:s "$status_step"
    if [[ $record ]]; then REPLY="${REPLY%?},\"record\":$record}"; fi
  else
    REPLY=null
  fi
}

# The last activation, whatever came of it: its result as it wrote it.
last_to_json() {
  local id='' dir state=running result=null
  if read_line "$STATE/activation"; then id=$REPLY; fi
  dir=$STATE/jobs/$id
  if [[ ! $id || ! -d $dir ]]; then
    REPLY=null
    return
  fi
  if read_result "$dir" && [[ $REPLY == '{'*'}' ]]; then
    state=finished result=$REPLY
  elif ! job_alive "$dir" && ! activation_holds "$id"; then
    state=lost
  fi
  job_to_json "$id"
  REPLY="{\"state\":\"$state\",\"result\":$result,${REPLY:1}"
}

# activation_holds ID: does systemd hold it? Its process may not have told its number yet.
activation_holds() {
  [[ ${unit[$ACTIVATION_UNIT ActiveState]-} =~ ^(active|activating|deactivating|reloading)$ &&
    ${unit[$ACTIVATION_UNIT Description]-} == "nixos-promote job $1" ]]
}

main
