# needs: json.sh lib.sh units.sh roots.sh probe-place.sh probe-kinds.sh probe.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What there is to compare when one host behaves unlike another, or unlike yesterday. Reads only. Every question has a time
# limit of its own, and what cannot be told is a word: absent, unknown. Of secrets it says who may read them, and no more.

readonly ASK_SECONDS=10 HASH_SECONDS=60

main() {
  local -a units=() names=() directories=()
  local i hostname machine_id nixos_version nix_version kernel generation failed=() failed_json
  arg_list units units
  arg_list links.names names
  arg_list directories directories
  for i in "${!units[@]}"; do
    require_unit "units.$i" "${units[i]}"
    units[i]=$REPLY
  done
  for i in "${!names[@]}"; do require_name "links.names.$i" "${names[i]}"; done
  if ((${#names[@]})); then require_directory links.directory "${arg[links.directory]-}"; fi
  for i in "${!directories[@]}"; do require_directory "directories.$i" "${directories[i]}"; done
  if [[ ${arg[repo]+set} ]]; then require_directory repo "${arg[repo]}"; fi
  check_probes
  RUN=$(mktemp -d)

  ask_line cat /proc/sys/kernel/hostname && hostname=$REPLY
  ask_line cat /etc/machine-id && machine_id=$REPLY
  ask_line cat /run/current-system/nixos-version && nixos_version=$REPLY
  ask_line nix --version && nix_version=${REPLY##* }
  ask_line uname -r && kernel=$REPLY
  system_paths
  generation_of_profile && generation=$REPLY
  json_object version:j 1 createdAt:j "$EPOCHSECONDS" hostname:s "$hostname" machineId:s "$machine_id" nixosVersion:s "$nixos_version" \
    nixVersion:s "$nix_version" kernel:s "$kernel" generation:s "$generation" currentSystem:s "${current_system:-absent}" \
    bootedSystem:s "${booted_system:-absent}" profile:s "${profile_system:-absent}"
  snapshot=${REPLY%\}}
  add repo repo_to_json
  add components components_to_json "${names[@]}"
  add units units_to_json "${units[@]}"
  add failedUnits failed_to_json
  add secrets secrets_to_json
  add data files_to_json "${directories[@]}"
  add disks disks_to_json
  add caches caches_to_json
  add health health_to_json
  answer "$snapshot}"
}

RUN='' snapshot='' step=snapshot
declare -A secret_files=()

# add NAME FUNCTION...: one part, which may fail as a whole.
add() {
  local name=$1
  shift
  REPLY=
  "$@" && [[ $REPLY ]] || REPLY='"unknown"'
  snapshot+=",\"$name\":$REPLY"
}

# ask_all SECONDS COMMAND...: REPLY is what it says; false if it fails or takes too long.
ask_all() {
  REPLY=$(timeout --kill-after=2 "$1" "${@:2}" </dev/null 2>/dev/null 3>&- | tr -d '\000')
}

# ask_line COMMAND...: REPLY is the first line of what it says, or a word.
ask_line() {
  ask_all "$ASK_SECONDS" "$@" || REPLY=
  REPLY=${REPLY%%$'\n'*}
  REPLY=${REPLY:-unknown}
}

generation_of_profile() {
  local link
  REPLY=absent
  if [[ ! -L $PROFILE ]]; then return 0; fi
  link=$(readlink -- "$PROFILE")
  REPLY=unknown
  if [[ $link =~ ^system-([0-9]+)-link$ ]]; then REPLY=${BASH_REMATCH[1]}; fi
}

# A checkout may be anybody's: nothing that it configures is run.
repo_to_json() {
  local path=${arg[repo]-} head dirty=unknown
  local -a git=(git --no-optional-locks -c safe.directory='*' -c core.fsmonitor=false -c core.hooksPath=/dev/null -C "$path")
  REPLY=null
  if [[ ! $path ]]; then return 0; fi
  head=absent
  if [[ -d $path ]]; then
    ask_line "${git[@]}" rev-parse --verify HEAD
    head=$REPLY
    if ask_all 30 "${git[@]}" status --porcelain --ignore-submodules=all; then
      dirty=false
      if [[ $REPLY ]]; then dirty=true; fi
    fi
  fi
  json_object path:s "$path" head:s "$head" dirty:s "$dirty"
}

# components_to_json NAME...: where each link leads, and the hash of the program there.
components_to_json() {
  local name out='' file path sum
  for name; do
    file=${arg[links.directory]}/$name path=absent sum=absent
    if [[ -L $file || -e $file ]]; then path=$(timeout "$ASK_SECONDS" readlink -f -- "$file") || path=unknown; fi
    if [[ -f $path && ! -x $path ]]; then
      sum=not-executable
    elif [[ -f $path ]]; then
      ask_all "$HASH_SECONDS" sha256sum -- "$path" || REPLY=
      sum=${REPLY%% *}
      sum=${sum:-unknown}
    elif [[ $path != absent ]]; then
      sum=unknown
    fi
    json_object link:s "$file" path:s "$path" sha256:s "$sum"
    json_member "$name" "$REPLY"
    out+=$REPLY
  done
  REPLY="{${out:1}}"
}

# units_to_json UNIT...: fills secret_files on the way.
units_to_json() {
  local line index=0 out='' name files_json
  local -A shown=()
  REPLY={}
  (($#)) || return 0
  ask_all "$ASK_SECONDS" systemctl show -p LoadState,ActiveState,SubState,Result,EnvironmentFiles,LoadCredential,LoadCredentialEncrypted -- "$@" || return
  local -a names=("$@")
  while IFS= read -r line; do
    name=${names[index]-}
    case $line in
      '') index=$((index + 1)) ;;
      EnvironmentFiles=*)
        line=${line#*=}
        line=${line% (ignore_errors=*}
        if [[ $line ]]; then shown[$name files]+=$line$'\n'; fi
        ;;
      LoadCredential*=*)
        for line in ${line#*=}; do if [[ $line == *:/* ]]; then shown[$name credentials]+=${line#*:}$'\n'; fi; done
        ;;
      *=*) shown[$name ${line%%=*}]=${line#*=} ;;
    esac
  done <<<"$REPLY"
  for name; do
    local -a files=()
    while IFS= read -r line; do
      if [[ $line ]]; then files+=("$line") secret_files[$line]=yes; fi
    done <<<"${shown[$name files]-}"
    while IFS= read -r line; do
      if [[ $line ]]; then secret_files[$line]=yes; fi
    done <<<"${shown[$name credentials]-}"
    json_array "${files[@]}"
    files_json=$REPLY
    if [[ ${shown[$name LoadState]-} == not-found ]]; then shown[$name ActiveState]=absent; fi
    json_object active:s "${shown[$name ActiveState]:-unknown}" sub:s "${shown[$name SubState]:-unknown}" \
      result:s "${shown[$name Result]:-unknown}" environmentFiles:j "$files_json"
    json_member "$name" "$REPLY"
    out+=$REPLY
  done
  REPLY="{${out:1}}"
}

failed_to_json() {
  local line
  local -a failed=()
  ask_all "$ASK_SECONDS" systemctl list-units --all --plain --no-legend --no-pager --state=failed || return
  while read -r line _; do
    if [[ $line && $line != nixos-promote-* ]]; then failed+=("$line"); fi
  done <<<"$REPLY"
  json_array "${failed[@]}"
}

secrets_to_json() {
  local -a paths=()
  mapfile -t paths < <(printf '%s\n' "${!secret_files[@]}" | sort)
  if [[ ${paths[0]-} ]]; then files_to_json "${paths[@]}"; else REPLY={}; fi
}

# files_to_json PATH...: whether they are there, whose, and who may read them. Nothing of what is in them, not even the size.
files_to_json() {
  local path out='' state owner mode
  for path; do
    state=absent owner=absent mode=absent
    if [[ -e $path ]]; then
      state=present owner=unknown mode=unknown
      if ask_all "$ASK_SECONDS" stat -L --format='%U:%G %a' -- "$path"; then owner=${REPLY% *} mode=${REPLY##* }; fi
    fi
    json_object state:s "$state" owner:s "$owner" mode:s "$mode"
    json_member "$path" "$REPLY"
    out+=$REPLY
  done
  REPLY="{${out:1}}"
}

disks_to_json() {
  local size free target out=''
  local -a paths=()
  for target in / /nix /nix/store /var /boot /efi; do
    if [[ -d $target ]]; then paths+=("$target"); fi
  done
  ask_all "$ASK_SECONDS" df -B1 --output=size,avail,target -- "${paths[@]}" || return
  while read -r size free target; do
    if [[ $size =~ ^[0-9]+$ && $free =~ ^[0-9]+$ && $out != *",\"$target\":"* ]]; then
      json_object bytes:j "$size" free:j "$free"
      json_member "$target" "$REPLY"
      out+=$REPLY
    fi
  done <<<"$REPLY"
  REPLY="{${out:1}}"
}

caches_to_json() {
  local line substituters='"unknown"' keys='"unknown"'
  if ask_all "$ASK_SECONDS" nix --extra-experimental-features nix-command show-config ||
    ask_all "$ASK_SECONDS" nix --extra-experimental-features nix-command config show; then
    while IFS= read -r line; do
      case $line in
        'substituters = '*)
          words_to_json "${line#* = }"
          substituters=$REPLY
          ;;
        'trusted-public-keys = '*)
          words_to_json "${line#* = }"
          keys=$REPLY
          ;;
      esac
    done <<<"$REPLY"
  fi
  json_object substituters:j "$substituters" trustedPublicKeys:j "$keys"
}

# words_to_json TEXT
words_to_json() {
  local word
  local -a words=() plain=()
  read -r -a words <<<"$1"
  for word in "${words[@]}"; do
    without_secret "$word"
    plain+=("$REPLY")
  done
  json_array "${plain[@]}"
}

# without_secret URL: REPLY is it without a password or a token.
without_secret() {
  REPLY=${1%%[?#]*}
  if [[ $REPLY =~ ^([a-z0-9+]+://)[^/]*@(.*)$ ]]; then REPLY=${BASH_REMATCH[1]}${BASH_REMATCH[2]}; fi
}

# The contract of health, each probe once. What a service answered stays out.
health_to_json() {
  local i count=${arg[probes.length]:-0} out='' state target
  local -a pids=()
  mkdir -- "$RUN/probes"
  # Each to its end: that one has failed says nothing about the others.
  for ((i = 0; i < count; i++)); do
    arg[probes.$i.identity]=false arg[probes.$i.deadlineSeconds]=$ASK_SECONDS
    (probe_watch "$i" "$current_system" once) &
    pids+=($!)
  done
  if ((${#pids[@]})); then wait "${pids[@]}" || true; fi
  for ((i = 0; i < count; i++)); do
    state=fail
    if probe_result "$i" && [[ $REPLY == 1$'\t'* ]]; then state=ok; fi
    case ${arg[probes.$i.kind]} in
      http) without_secret "${arg[probes.$i.url]}" && target=$REPLY ;;
      unit) target=${arg[probes.$i.unit]} ;;
      socket) target="port ${arg[probes.$i.port]}" ;;
      *) target='a command' ;;
    esac
    json_object state:s "$state" target:s "$target"
    json_member "${arg[probes.$i.name]}" "$REPLY"
    out+=$REPLY
  done
  REPLY="{${out:1}}"
}

cleanup() {
  if [[ $RUN ]]; then rm -rf -- "$RUN"; fi
}

main
