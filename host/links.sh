# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Links in a directory outside the store that lead to files of the release's components, for units that run from there.
# A link is replaced atomically. What was there before is kept as it was, until the next transaction that ends well;
# a file that was no link is kept for good.

link_dir='' links_placed='' links_json=null links_before='' links_changed=''
declare -a link_names=() link_components=() restart_units=()
declare -A link_target=() link_was=() unit_was=() unit_invocation=()
readonly LINKS=$STATE/links

check_links() {
  local name i
  arg_names links.files link_names
  arg_list links.components link_components
  arg_list links.restart restart_units
  if ((!${#link_names[@]})); then
    [[ $with_system ]] || fail bad-argument "[links.files] is missing: the strategy links has nothing to do."
    return 0
  fi
  case $mode in
    boot | test) fail bad-argument "[mode] $mode cannot go with [links]: a link that is replaced stays replaced after a reboot. Use switch or immediate." ;;
  esac
  arg_get links.directory && link_dir=$REPLY
  require_directory links.directory "$link_dir"
  for i in "${!link_components[@]}"; do require_store_path "links.components.$i" "${link_components[i]}"; done
  for name in "${link_names[@]}"; do
    require_name "links.files" "$name"
    arg_get "links.files.$name"
    link_target[$name]=$REPLY
  done
  for i in "${!restart_units[@]}"; do
    require_unit "links.restart.$i" "${restart_units[i]}"
    restart_units[i]=$REPLY
  done
}

# component_of PATH: REPLY is the component that PATH is a file of; false if there is none.
component_of() {
  local component
  for component in "${link_components[@]}"; do
    if [[ $1 == "$component"/?* && $1/ != */../* && $1/ != */./* ]]; then
      REPLY=$component
      return 0
    fi
  done
  return 1
}

# ---- preflight ------------------------------------------------------------------------------

# links_can_be_made: part of the preflight; touches only gc roots.
links_can_be_made() {
  local name line file
  ((${#link_names[@]})) || return 0
  [[ -d $link_dir && ! -L $link_dir ]] || {
    because "[links.directory] $link_dir is not a directory on the host. Make it first: mkdir -p $link_dir"
    return
  }
  if line=$(print_invalid "${link_components[@]}") && [[ ! $line ]]; then :; else
    because "Not valid in the store of the host: ${line//$'\n'/, }."
    return
  fi
  for name in "${link_names[@]}"; do
    file=${link_target[$name]}
    component_of "$file" || { because "[links.files.$name] $file is not a file of a component that the release ships."; return; }
    add_root "transaction-link-$name" "$REPLY" || { because "The host cannot write gc roots to $ROOTS."; return; }
    [[ $(readlink -e -- "$file") == /nix/store/* && -f $file && -x $file ]] || {
      because "[links.files.$name] $file is not a program: no executable file is there."
      return
    }
    [[ ! -d $link_dir/$name || -L $link_dir/$name ]] || { because "$link_dir/$name is a directory, which a link cannot replace."; return; }
    link_now "$name"
    link_was[$name]=$REPLY
    if [[ $REPLY != "$file" ]]; then links_changed=yes; fi
  done
  units_are_known
}

units_are_known() {
  local name
  note_units
  for name in "${restart_units[@]}"; do
    unit_was[$name]=${unit[$name ActiveState]-}
    if [[ ${unit[$name LoadState]-} == not-found ]] && ! { [[ $with_system ]] && unit_of "$toplevel" "$name"; }; then
      because "[links.restart] there is no unit $name, neither on the host nor in the release."
      return
    fi
  done
}

# link_now NAME: REPLY is where the link leads, or in words what is there.
link_now() {
  local path=$link_dir/$1
  REPLY=
  if [[ -L $path ]]; then
    REPLY=$(readlink -- "$path")
  elif [[ -e $path ]]; then
    REPLY='(no link)'
  fi
}

# ---- there ----------------------------------------------------------------------------------

step_links() {
  local name
  status links "linking ${link_names[*]} in $link_dir"
  record_links || { because "What is in $link_dir now could not be recorded in $LINKS."; return; }
  note_invocations
  sync -- "$JOB/status.json" "$STATE/activation" 2>/dev/null || true
  links_placed=yes
  for name in "${link_names[@]}"; do
    place_link "$name" || { because "The link $link_dir/$name could not be made."; return; }
  done
  sync -- "$link_dir" 2>/dev/null || true
  not_cancelled
}

# place_link NAME: beside the old one, then over it, so that there is no moment without one.
place_link() {
  local new=$link_dir/.$1.nixos-promote
  ln -sfT -- "${link_target[$1]}" "$new" && mv -fT -- "$new" "$link_dir/$1"
}

# record_links: what is there now, the things themselves, in LINKS/ID. After a transaction that was cut off, its links are
# on trial: then what it recorded.
record_links() {
  local name trial='' dir=$LINKS/$id
  mkdir -p -- "$dir.new" && printf '%s\n' "$link_dir" >"$dir.new/directory" && mkdir -p -- "$dir.new/things" || return
  if read_line "$LINKS/trial"; then trial=$LINKS/$REPLY; fi
  for name in "${link_names[@]}"; do
    if [[ $trial ]] && read_line "$trial/directory" && [[ $REPLY == "$link_dir" && -e $trial/names/$name ]]; then
      note "An earlier activation was cut off and has left $link_dir/$name on trial; the way back leads to what was there before."
      keep_thing "$trial/things/$name" "$dir.new/things/$name" || return
      links_changed=yes link_was[$name]=''
      if [[ -L $dir.new/things/$name ]]; then link_was[$name]=$(readlink -- "$dir.new/things/$name"); fi
    else
      keep_thing "$link_dir/$name" "$dir.new/things/$name" || return
    fi
    mkdir -p -- "$dir.new/names" && : >"$dir.new/names/$name" || return
    root_of_before "$dir.new/things/$name" "transaction-link-previous-$name"
  done
  sync -- "$dir.new" "$dir.new/things" "$dir.new/names" "$dir.new/directory" 2>/dev/null || true
  mv -T -- "$dir.new" "$dir" && write_file "$LINKS/trial" "$id" || return
  sync -- "$LINKS/trial" "$LINKS" 2>/dev/null || true
  links_before=$dir
}

# keep_thing FROM TO: a link as a link, a file with its mode, its owner and its times; nothing if there is nothing.
keep_thing() {
  if [[ -L $1 || -e $1 ]]; then cp --archive --no-target-directory -- "$1" "$2"; fi
}

# root_of_before THING ROOT: what an old link leads to cannot be collected either.
root_of_before() {
  local target
  if [[ -L $1 ]] && target=$(readlink -- "$1") && [[ $target =~ ^(/nix/store/[^/]+) ]]; then
    add_root "$2" "${BASH_REMATCH[1]}" 2>/dev/null || true
  fi
}

# A unit that the switch has started since runs from the new links already.
step_restart() {
  local name
  local -a units=()
  status restart "restarting what runs from the links: ${restart_units[*]}"
  switched=yes
  note_units
  read_executables "${restart_units[@]}"
  read_link_closure
  for name in "${restart_units[@]}"; do
    if [[ ${unit[$name InvocationID]-} == "${unit_invocation[$name]-}" ]] && needs_restart "$name"; then units+=("$name"); fi
  done
  ((${#units[@]})) || return 0
  restart_all "${arg[timeouts.switch]}" restart "${units[@]}" || { because "Units could not be restarted: ${units[*]}."; return; }
  not_cancelled
}

needs_restart() {
  [[ $links_changed || ${unit[$1 ActiveState]-} != active ]] && return 0
  unit_runs "$1"
  ! runs_in_closure
}

# restart_all LIMIT VERB UNIT...
# Starts that systemd has counted before, a crash loop say, must not keep it from starting the unit now.
restart_all() {
  local limit=$1
  shift
  note "systemctl $*"
  if [[ $1 == restart ]]; then timeout --kill-after=5 10 systemctl reset-failed -- "${@:2}" </dev/null 2>/dev/null || true; fi
  timeout --kill-after=5 "$limit" systemctl "$1" -- "${@:2}" </dev/null >>"$RUN/restart.log" 2>&1 || {
    note "$(tail -n 20 -- "$RUN/restart.log")"
    return 1
  }
}

note_units() {
  read_units "${restart_units[@]}"
}

# note_invocations: which run of each unit is on now.
note_invocations() {
  local name
  note_units
  for name in "${restart_units[@]}"; do unit_invocation[$name]=${unit[$name InvocationID]-}; done
}

# ---- back -----------------------------------------------------------------------------------

restore_links() {
  local name all=yes
  [[ $links_placed ]] || return 0
  for name in "${link_names[@]}"; do
    restore_link "$name" || all=''
  done
  if [[ ! $all ]]; then
    failure_reason+=" The links in $link_dir could not be put back; what was there is in $links_before/things."
    return 1
  fi
  rm -f -- "$LINKS/trial"
  rm -rf -- "$links_before"
}

restore_link() {
  local new=$link_dir/.$1.nixos-promote thing=$links_before/things/$1
  if [[ -L $thing || -e $thing ]]; then
    rm -f -- "$new" && keep_thing "$thing" "$new" && mv -fT -- "$new" "$link_dir/$1"
  else
    rm -f -- "$link_dir/$1"
  fi
}

# restart_as_before: what runs from the links runs the old files again; what did not run does not.
restart_as_before() {
  local name all=yes
  local -a start=() stop=()
  [[ $links_placed ]] || return 0
  note_units
  for name in "${restart_units[@]}"; do
    if [[ ${unit_was[$name]} != active ]]; then
      if [[ ${unit[$name LoadState]-} != not-found ]]; then stop+=("$name"); fi
    elif [[ ${unit[$name ActiveState]-} != active || ($links_changed && ${unit[$name InvocationID]-} == "${unit_invocation[$name]-}") ]]; then
      start+=("$name")
    fi
  done
  if ((${#stop[@]})); then restart_all "${arg[timeouts.rollback]}" stop "${stop[@]}" || all=''; fi
  if ((${#start[@]})); then restart_all "${arg[timeouts.rollback]}" restart "${start[@]}" || all=''; fi
  [[ $all ]] || { failure_reason+=" Units could not be restarted: ${start[*]}${stop:+ ${stop[*]}}."; return 1; }
}

# ---- the end --------------------------------------------------------------------------------

links_are_in_place() {
  local name
  for name in "${link_names[@]}"; do
    link_now "$name"
    [[ $REPLY == "${link_target[$name]}" ]] || { because "Somebody else has changed $link_dir/$name in the meantime: ${REPLY:-it is gone}."; return; }
  done
}

# The root of a link is a link to it: it holds whatever the link leads to, for as long as there is one.
keep_links() {
  local name dir
  ((${#link_names[@]})) || return 0
  for name in "${link_names[@]}"; do
    ln -sfT -- "$link_dir/$name" "$ROOTS/link-$name"
    if [[ $links_changed ]]; then root_of_before "$links_before/things/$name" "link-previous-$name"; fi
  done
  rm -f -- "$LINKS/trial"
  if [[ ! $links_changed ]]; then
    rm -rf -- "$links_before"
    return
  fi
  for dir in "$LINKS"/*/; do
    if [[ ${dir%/} != "$links_before" ]] && ! has_files "${dir%/}/things"; then rm -rf -- "${dir%/}"; fi
  done
  if has_files "$links_before/things"; then note "What was no link before is kept in $links_before/things."; fi
}

has_files() {
  [[ $(find "$1" -mindepth 1 -maxdepth 1 -not -type l -print -quit) ]]
}

show_links() {
  local name
  for name in "${link_names[@]}"; do
    if [[ ${link_was[$name]} != "${link_target[$name]}" ]]; then
      shown+="would link $link_dir/$name -> ${link_target[$name]} (now ${link_was[$name]:-nothing})"$'\n'
    fi
  done
  if [[ $links_changed && ${restart_units[*]} ]]; then shown+="would restart what runs from the links: ${restart_units[*]}"$'\n'; fi
}

# links_to_json: for the verdict; and for the ledger where they led before and lead now, in links_were and links_are.
links_to_json() {
  local name out='' kept before after were='' are=''
  ((${#link_names[@]})) || return 0
  for name in "${link_names[@]}"; do
    kept=
    if [[ -e $links_before/things/$name && ! -L $links_before/things/$name ]]; then kept=$links_before/things/$name; fi
    before=${link_was[$name]-}
    link_now "$name"
    after=$REPLY
    json_object name:s "$name" before:o "$before" after:o "$after" kept:o "$kept"
    out+=,$REPLY
    json_object "$name:o" "$before"
    were+=,${REPLY:1:-1}
    json_object "$name:o" "$after"
    are+=,${REPLY:1:-1}
  done
  links_json="[${out:1}]" links_were="{${were:1}}" links_are="{${are:1}}"
}

# ---- identity -------------------------------------------------------------------------------

# read_link_closure: what a unit may run: the system, and what the links lead to now.
read_link_closure() {
  store_paths_of_links
  unit_closure=$(nix-store --query --requisites -- "$toplevel" "${runs[@]}")$'\n' || unit_closure=
}

# store_paths_of_links: sets runs.
store_paths_of_links() {
  local name all=''
  for name in "${link_names[@]}"; do
    link_now "$name"
    all+=$REPLY$'\n'
  done
  store_paths_in "$all"
}

# strays_from_links UNIT PID: does the unit name a link, and its process run something else than what it leads to?
# Sets ANSWER. Needs runs, the store paths that the process names.
strays_from_links() {
  local name target command
  ((${#link_names[@]} && ${#runs[@]})) || return 1
  command=$(systemctl show --value -p ExecStart -- "$1" 2>/dev/null)
  for name in "${link_names[@]}"; do
    [[ " $command " == *[\ =\;]"$link_dir/$name"[\ \;]* ]] || continue
    link_now "$name"
    target=$REPLY
    [[ $target =~ ^/nix/store/[^/]+ ]] || continue
    if [[ " ${runs[*]} " != *" ${BASH_REMATCH[0]} "* ]]; then
      ANSWER+=", but process $2 runs ${runs[*]}, not $target, where $link_dir/$name leads"
      return 0
    fi
  done
  return 1
}
