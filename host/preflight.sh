# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# May this host be switched to this system now? Every refusal comes before anything is touched.

step_preflight() {
  status preflight "checking $toplevel"
  local line available host_id='' system=''
  before_system=$(readlink -e -- /run/current-system) || before_system=''
  before_profile=$(readlink -e -- "$PROFILE") || before_profile=''
  rollback_target
  [[ $previous =~ $STORE_PATH ]] || { because "The host has no /run/current-system, so there is nothing to return to."; return; }
  if ! line=$(print_invalid "$toplevel" "$previous") || [[ $line ]]; then
    because "Not valid in the store of the host: ${line//$'\n'/, }."
    return
  fi
  for line in "$toplevel" "$previous"; do
    [[ -x $line/bin/switch-to-configuration && -e $line/nixos-version ]] || {
      because "$line is not a NixOS system: it lacks bin/switch-to-configuration or nixos-version."
      return
    }
  done
  if read_line "$toplevel/system"; then system=$REPLY; fi
  [[ $system == "$HOSTTYPE-linux" ]] || { because "The system is built for '$system', the host is $HOSTTYPE-linux."; return; }
  if read_line /etc/machine-id; then host_id=$REPLY; fi
  [[ ! ${arg[machineId]-} || ${arg[machineId]} == "$host_id" ]] || {
    because "This is not the expected machine: its machine-id is $host_id, not ${arg[machineId]}."
    return
  }
  while read -r available line; do
    [[ ! $available =~ ^[0-9]+$ ]] || ((available >= 64 * 1024 * 1024)) || {
      because "Only $((available / 1048576)) MiB are free on $line; 64 MiB are needed."
      return
    }
  done < <(df --output=avail,target -B1 -- /nix /var)
  ! systemctl is-active --quiet -- nixos-rebuild-switch-to-configuration.service || {
    because "A nixos-rebuild is switching this host now (nixos-rebuild-switch-to-configuration.service is active)."
    return
  }
  failed_units
  failed_before=$REPLY
  mark_journal
  # From here on a garbage collection may run at any time.
  if ! add_root transaction-next "$toplevel" || ! add_root transaction-previous "$previous"; then
    because "The host cannot write gc roots to $ROOTS."
    return
  fi
  not_cancelled
}

# Normally what runs now. But after a transaction that was cut off, that is a system on trial: then what ran before it.
rollback_target() {
  previous=$before_system
  if [[ $before_system != "$before_profile" && -L $ROOTS/transaction-previous ]]; then
    previous=$(readlink -- "$ROOTS/transaction-previous")
    if [[ $previous != "$before_system" ]]; then
      note "An earlier activation was cut off and has left ${before_system##*/} on trial; the way back leads to ${previous##*/}."
    fi
  fi
}
