# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What of the new system takes effect only after a reboot, and may the rest be switched to live?

readonly BOOT_ADVICE="Set [activation.mode] to boot, run \`pulumi up\`, and reboot the host."

needs_no_reboot() {
  local old='' new='' changed
  is_live || return 0
  if read_line "$before_system/init-interface-version"; then old=$REPLY; fi
  if read_line "$toplevel/init-interface-version"; then new=$REPLY; fi
  [[ $old == "$new" ]] || {
    refuse "The release changes the interface to the boot stage ('$old' to '$new'), so it takes effect only after a reboot." "$BOOT_ADVICE"
    return
  }
  changed_inhibitors
  [[ ! $REPLY ]] || {
    refuse "The release changes critical components, which must not happen on a running host: $REPLY." "$BOOT_ADVICE"
    return
  }
  changed_images "$booted_system" "$toplevel"
  changed=$REPLY
  [[ $changed ]] || return 0
  if [[ ${arg[preflight.kernelChange]} == refuse ]]; then
    refuse "The release has another $changed than the host was booted with, and [activation.preflight.kernelChange] is refuse." "$BOOT_ADVICE"
  else
    tell "The release has another $changed than the host was booted with: that part takes effect at the next reboot."
  fi
}

# changed_inhibitors: REPLY is the components with their old and new values. As NixOS does, only what both systems name is compared.
changed_inhibitors() {
  local name out=''
  local -A old=() new=()
  read_inhibitors "$before_system/switch-inhibitors" old
  read_inhibitors "$toplevel/switch-inhibitors" new
  for name in "${!new[@]}"; do
    if [[ ${old[$name]+set} && ${old[$name]} != "${new[$name]}" ]]; then
      out+=", $name (${old[$name]#/nix/store/} to ${new[$name]#/nix/store/})"
    fi
  done
  REPLY=${out#, }
}

# read_inhibitors FILE ARRAY: the members of a flat JSON object of strings.
read_inhibitors() {
  local -n _inhibitors=$2
  local _text
  [[ -r $1 ]] || return 0
  _text=$(<"$1")
  while [[ $_text =~ \"([^\"\\]+)\"[[:space:]]*:[[:space:]]*\"([^\"\\]*)\" ]]; do
    _inhibitors["${BASH_REMATCH[1]}"]=${BASH_REMATCH[2]}
    _text=${_text#*"${BASH_REMATCH[0]}"}
  done
}
