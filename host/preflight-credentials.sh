# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Are the files there from which the units of the new system take their secrets, and would they be after a reboot?

# Reads all unit files by one grep. A file that is missing keeps its unit from starting, now or after a reboot.
credentials_are_there() {
  local policy=${arg[preflight.credentials]} path missing='' volatile=''
  [[ $policy != ignore ]] || return 0
  local -A credential=() kind=()
  read_credentials "$toplevel/etc/systemd/system"
  ((${#credential[@]})) || return 0
  classify_credentials
  for path in "${!kind[@]}"; do
    case ${kind[$path]} in
      missing) missing+="; $path (${credential[$path]})" ;;
      volatile) volatile+="; $path (${credential[$path]})" ;;
    esac
  done
  missing=${missing#; } volatile=${volatile#; }
  if [[ $missing && $policy != warn ]]; then
    refuse "Files that units of the release need do not exist on the host: $missing." \
      "Put them there; begin the setting with '-' in the unit if it can do without; or set [activation.preflight.credentials] to warn."
    return
  fi
  if [[ $volatile && $policy == persistent ]]; then
    refuse "Files that units of the release need would not survive a reboot, because they are in memory only: $volatile." \
      "Keep them on disk, or have the activation script of the system make them; or set [activation.preflight.credentials] to present."
    return
  fi
  if [[ $missing ]]; then tell "Files that units of the release need do not exist on the host: $missing."; fi
  if [[ $volatile ]]; then tell "Not persistent: in memory only, or made there by something else, is what units of the release need: $volatile."; fi
}

# read_credentials DIR: fills credential[PATH] with the units that cannot start without the file.
# Of no account are files with a default, those that the unit itself makes a condition, and units that nothing starts.
read_credentials() {
  local line unit key value name started
  local -A pairs=() optional=()
  started_units "$1"
  started=$REPLY
  while IFS= read -r line; do
    unit=${line%%:*}
    unit=${unit#"$1/"}
    unit=${unit%.d/*}
    [[ $started == *" $unit "* ]] || continue
    line=${line#*:}
    key=${line%%=*} value=${line#*=}
    key=${key//[[:space:]]/}
    trim "$value"
    value=$REPLY
    case $key in
      EnvironmentFile)
        if [[ ! $value ]]; then
          for name in "${!pairs[@]}"; do
            if [[ $name == "$unit env "* ]]; then pairs[$name]=''; fi
          done
        fi
        pairs[$unit env $value]=$value
        ;;
      LoadCredential*)
        name=${value%%:*}
        if [[ $value == *:* ]]; then pairs[$unit cred $name]=${value#*:}; fi
        ;;
      SetCredential*) optional[$unit cred ${value%%:*}]=yes ;;
      ConditionPathExists) optional[$unit path ${value#|}]=yes ;;
    esac
  done < <(grep -HsE '^[[:space:]]*(EnvironmentFile|LoadCredential(Encrypted)?|SetCredential(Encrypted)?|ConditionPathExists)[[:space:]]*=' \
    "$1"/*.service "$1"/*.service.d/*.conf)
  for name in "${!pairs[@]}"; do
    value=${pairs[$name]}
    unit=${name%% *}
    # A name in systemd's own store, a pattern or a specifier cannot be judged from here; '-' says that it may be missing.
    if [[ $value == /* && $value != /nix/store/* && $value != *[%*?[]* && ! ${optional[$name]-} && ! ${optional[$unit path $value]-} &&
      ", ${credential[$value]-}, " != *", $unit, "* ]]; then
      credential[$value]+=${credential[$value]:+, }$unit
    fi
  done
}

trim() {
  REPLY=${1#"${1%%[![:space:]]*}"}
  REPLY=${REPLY%"${REPLY##*[![:space:]]}"}
}

# started_units DIR: REPLY is the services that something starts (a target, a timer, a socket, a path) or that run now, and their
# templates, with spaces around each.
started_units() {
  local link name out=' '
  for link in "$1"/*.wants/*.service "$1"/*.requires/*.service "$1"/*.upholds/*.service "$1"/*.timer "$1"/*.socket "$1"/*.path; do
    name=${link##*/}
    name=${name%.*}
    out+="$name.service "
    if [[ $name == *@* ]]; then out+="${name%%@*}@.service "; fi
  done
  for link in "${!arg[@]}"; do
    if [[ $link =~ ^probes\.[0-9]+\.unit$ && ${arg[$link]} == *.service ]]; then out+="${arg[$link]} "; fi
  done
  REPLY=$out
}

# classify_credentials: fills kind[PATH] with missing or volatile; made if the activation script makes it; nothing for what is there and stays.
classify_credentials() {
  local path type i=0
  local -a there=() types=()
  for path in "${!credential[@]}"; do
    if [[ -e $path ]]; then
      there+=("$path")
    elif [[ $path =~ ^(/run|/tmp|/dev/shm)/ ]]; then
      kind[$path]=volatile
    else
      kind[$path]=missing
    fi
  done
  if ((${#there[@]})); then mapfile -t types < <(stat -f -c %T -- "${there[@]}"); fi
  for path in "${there[@]}"; do
    type=${types[i++]-}
    if [[ $type == tmpfs || $type == ramfs ]]; then kind[$path]=volatile; fi
  done
  if ((${#kind[@]})); then forgive_what_activation_makes; fi
}

# The activation script makes some of them, at every boot too. It names their directory, or a file of data that does.
forgive_what_activation_makes() {
  local text='' path directory rest manifests=0
  [[ -r $toplevel/activate ]] || return 0
  text=$(<"$toplevel/activate")
  rest=$text
  while [[ $rest =~ /nix/store/[0-9a-z]{32}-[^/[:space:]\"\']*\.json ]] && ((manifests++ < 20)); do
    rest=${rest#*"${BASH_REMATCH[0]}"}
    if [[ -f ${BASH_REMATCH[0]} ]]; then text+=$(<"${BASH_REMATCH[0]}"); fi
  done
  for path in "${!kind[@]}"; do
    directory=${path%/*}
    if [[ $directory =~ ^/run/[^/]+ ]]; then directory=${BASH_REMATCH[0]}; fi
    if [[ $directory =~ ^/[^/]+$ || ! $directory ]]; then directory=$path; fi
    if [[ $text == *"$directory"* ]]; then kind[$path]=made; fi
  done
}
