# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# May this host be switched to this system now? Every refusal comes before anything is touched.
# The parts: preflight-room.sh, preflight-others.sh, preflight-reboot.sh, preflight-credentials.sh.

advice=''
declare -a notes=()

step_preflight() {
  status preflight "checking $toplevel"
  system_paths
  before_system=$current_system before_profile=$profile_system
  rollback_target
  if [[ ! $with_system ]]; then toplevel=$before_system previous=$before_system; fi
  systems_are_whole && is_right_machine && nobody_else_switches && has_room && has_memory &&
    needs_no_reboot && state_version_stays && credentials_are_there || return 1
  look_at_units
  mark_journal
  tell_pointers
  tell_leftovers
  # From here on a garbage collection may run at any time.
  if [[ $with_system ]]; then
    hold_systems || {
      refuse "The host cannot write gc roots to $ROOTS." "Is the file system read-only? See 'findmnt /nix' on the host."
      return
    }
  fi
  links_can_be_made || return
  clear_stale_unit
  not_cancelled
}

# refuse WHAT ADVICE: two sentences, what is wrong and what to do. Between them the operator is told what the host runs.
refuse() {
  if [[ ! $failure_reason ]]; then advice=$2; fi
  because "$1"
}

# tell SENTENCE: worth knowing, and no reason to stop.
tell() {
  note "[$step] $1"
  notes+=("$1")
}

check_preflight() {
  local key
  for key in diskMarginMiB memoryMarginMiB; do
    [[ ${arg[preflight.$key]:-0} =~ ^[0-9]{1,9}$ ]] || fail bad-argument "[preflight.$key] is not a whole number of MiB."
  done
  one_of credentials present persistent warn ignore
  one_of kernelChange allow refuse
  one_of stateVersion refuse allow
}

# one_of KEY DEFAULT [OTHER]...: fills in the default.
one_of() {
  local key=preflight.$1
  shift
  arg["$key"]=${arg[$key]:-$1}
  [[ " $* " == *" ${arg[$key]} "* ]] || fail bad-argument "[$key] is none of: $*."
}

# is_live: does this mode change what runs now?
is_live() {
  [[ ! ${arg[mode]:-switch} =~ ^(boot|dry-activate)$ ]]
}

# Normally what runs now. But after a transaction that was cut off, that is a system on trial: then what ran before it.
rollback_target() {
  previous=$before_system
  if [[ $before_system != "$before_profile" && -L $ROOTS/transaction-previous ]]; then
    previous=$(readlink -- "$ROOTS/transaction-previous")
    if [[ $previous != "$before_system" ]]; then
      tell "An earlier activation was cut off and has left ${before_system##*/} on trial; the way back leads to ${previous##*/}."
    fi
  fi
}

systems_are_whole() {
  local line
  [[ $previous =~ $STORE_PATH ]] || {
    refuse "The host has no /run/current-system, so there is nothing to return to." "Boot it into a NixOS system first."
    return
  }
  if ! line=$(print_invalid "$toplevel" "$previous") || [[ $line ]]; then
    if [[ $'\n'$line$'\n' == *$'\n'"$previous"$'\n'* ]]; then
      refuse "$previous, which the way back leads to, is not valid in the store of the host any more." \
        "Copy it there again: \`pulumi up\` with the release that it is of does."
    else
      refuse "Not valid in the store of the host: ${line:-$toplevel}." "Copy the closure there first; \`pulumi up\` does."
    fi
    return
  fi
  for line in "$toplevel" "$previous"; do
    [[ -x $line/bin/switch-to-configuration && -e $line/nixos-version ]] || {
      refuse "$line is not a NixOS system: it lacks bin/switch-to-configuration or nixos-version." \
        "Is it the toplevel of a nixosConfiguration ([release])?"
      return
    }
  done
}

is_right_machine() {
  local host_id='' system=''
  if read_line "$toplevel/system"; then system=$REPLY; fi
  [[ $system == "$HOSTTYPE-linux" ]] || {
    refuse "The system is built for '$system', the host is $HOSTTYPE-linux." "Build it for $HOSTTYPE-linux, or correct [host.name] or [host.connection]."
    return
  }
  if read_line /etc/machine-id; then host_id=$REPLY; fi
  [[ ! ${arg[machineId]-} || ${arg[machineId]} == "$host_id" ]] || {
    refuse "This is not the expected machine: its machine-id is $host_id, not ${arg[machineId]}." "Correct [host.machineId] or [host.connection]."
  }
}

# A service that migrated its data for a newer version cannot read it with the settings of an older one.
# NixOS does not record the version in a system; nixos/modules/closure-target.nix does.
state_version_stays() {
  local old new
  read_line "$before_system/state-version" && old=$REPLY && read_line "$toplevel/state-version" && new=$REPLY || return 0
  is_lower "$new" "$old" || return 0
  if [[ ${arg[preflight.stateVersion]} == allow ]]; then
    tell "system.stateVersion goes down from $old to $new."
  else
    refuse "system.stateVersion would go down from $old to $new, and services may not find their data." \
      "Set it back to $old in the configuration of the host; if you mean it, set [activation.preflight.stateVersion] to allow."
  fi
}

# is_lower A B: is version A below B? Both like 25.11.
is_lower() {
  [[ $1 =~ ^([0-9]{1,4})\.([0-9]{1,4})$ ]] || return 1
  local new=$((10#${BASH_REMATCH[1]} * 10000 + 10#${BASH_REMATCH[2]}))
  [[ $2 =~ ^([0-9]{1,4})\.([0-9]{1,4})$ ]] || return 1
  ((new < 10#${BASH_REMATCH[1]} * 10000 + 10#${BASH_REMATCH[2]}))
}

# Both at once: most of the time of a Nix command is its start.
hold_systems() {
  local next
  add_root transaction-next "$toplevel" &
  next=$!
  add_root transaction-previous "$previous" || return
  # A signal ends a `wait` early, but only once.
  wait "$next" || wait "$next"
}

tell_pointers() {
  if [[ $before_profile != "$before_system" ]]; then
    tell "The host runs ${before_system##*/}, but its system profile is ${before_profile:-nothing}: somebody has tested, or was cut off."
  fi
}
