# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Does anybody else switch this host, and what have earlier switches left?

readonly FOREIGN_UNIT=nixos-rebuild-switch-to-configuration.service
readonly SWITCH_LOCK=/run/nixos/switch-to-configuration.lock

nobody_else_switches() {
  local wait="Wait until it has ended, and try again; 'systemctl status PID' on the host shows what it belongs to."
  # The file of a transient unit is there as long as the unit; to ask systemd costs a process.
  if [[ -e /run/systemd/transient/$FOREIGN_UNIT ]] && systemctl is-active --quiet -- "$FOREIGN_UNIT"; then
    refuse "A nixos-rebuild is switching this host now ($FOREIGN_UNIT is active)." "Wait until it has ended, and try again; 'systemctl status $FOREIGN_UNIT' on the host shows how far it is."
  elif lock_holder "$SWITCH_LOCK"; then
    describe_process "$REPLY"
    refuse "Another switch-to-configuration is running on the host and holds its lock: $REPLY." "${wait/PID/"${REPLY_PID:-PID}"}"
  elif foreign_switch; then
    describe_process "$REPLY"
    refuse "Somebody else is switching this host now: $REPLY." "${wait/PID/"${REPLY_PID:-PID}"}"
  fi
}

# lock_holder FILE: REPLY is the process that holds a lock on FILE. Only looks: to try the lock would make another switch fail.
lock_holder() {
  local kind pid at major minor inode
  [[ -e $1 ]] || return 1
  read -r major minor inode < <(stat -c '%Hd %Ld %i' -- "$1")
  printf -v inode '%02x:%02x:%s' "$major" "$minor" "$inode"
  while read -r _ kind _ _ pid at _; do
    if [[ $at == "$inode" && $kind =~ ^(FLOCK|POSIX|OFDLCK)$ ]]; then
      REPLY=$pid
      return 0
    fi
  done </proc/locks
  return 1
}

# foreign_switch: REPLY is a process that switches this host, or will when its build is done: a switch that has not taken the
# lock yet, a nixos-rebuild, or the activation script that a killed switch has left running.
foreign_switch() {
  local file i
  local -a words=()
  while IFS= read -r file; do
    { mapfile -d '' -t words <"$file"; } 2>/dev/null || continue
    for i in "${!words[@]}"; do
      case ${words[i]} in
        *switch-to-configuration) [[ ${words[i + 1]-} =~ ^(switch|boot|test)$ ]] || continue ;;
        nixos-rebuild | */nixos-rebuild | */.nixos-rebuild-wrapped | */nixos-rebuild-ng)
          [[ " ${words[*]:i+1} " =~ \ (switch|boot|test)\  && " ${words[*]} " != *' --target-host'* ]] || continue
          ;;
        # Run by itself or by its shell; whoever only has it as an argument looks at it.
        /nix/store/*/activate) if ((i > 1)) || [[ ${words[i]} =~ ^/nix/store/.*/.*/ ]]; then continue; fi ;;
        *) continue ;;
      esac
      file=${file#/proc/}
      REPLY=${file%%/*}
      return 0
    done
  done < <(grep -lsE 'switch-to-configuration|nixos-rebuild|/activate' /proc/[0-9]*/cmdline)
  return 1
}

# describe_process PID: REPLY is a clause with its command and its start; sets REPLY_PID.
REPLY_PID=
describe_process() {
  local line='' up since
  local -a command=() fields=()
  REPLY_PID=$1
  { mapfile -d '' -t command <"/proc/$1/cmdline" && read -r line <"/proc/$1/stat"; } 2>/dev/null || true
  REPLY="process $1"
  if [[ ! $line ]]; then return 0; fi
  # The 22nd field, in hundredths of a second after the boot; the command's name in the second may hold anything.
  read -r -a fields <<<"${line##*) }"
  read -r up _ </proc/uptime
  printf -v since '%(%Y-%m-%d %H:%M:%S %Z)T' "$((EPOCHSECONDS - ${up%.*} + fields[19] / 100))"
  quote "${command[*]}"
  REPLY="process $1, $REPLY, since $since"
}

# ---- what earlier switches have left --------------------------------------------------------

# The lists in /run/nixos are work that a killed switch did not get to; the next one, of whatever system, does it.
tell_leftovers() {
  local list name
  local -a names=()
  is_live || return 0
  for list in start restart reload; do
    [[ -s /run/nixos/$list-list ]] || continue
    mapfile -t names </run/nixos/"$list-list"
    name="${#names[@]} units"
    if ((${#names[@]} <= 5)); then name=${names[*]} name=${name// /, }; fi
    tell "An earlier switch was cut off and has left /run/nixos/$list-list; this one will $list what it names, too: $name."
  done
}

# Left over as failed, the unit makes every nixos-rebuild of the user fail.
clear_stale_unit() {
  if [[ $'\n'$failed_before$'\n' != *$'\n'"$FOREIGN_UNIT"$'\n'* ]]; then return 0; fi
  systemctl reset-failed -- "$FOREIGN_UNIT" || return 0
  tell "$FOREIGN_UNIT was left over as failed, which makes every nixos-rebuild fail; it is reset."
}
