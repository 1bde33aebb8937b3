# shellcheck shell=bash
# Refuses to switch live into a system whose critical components differ from the running one's.
new=$1/switch-inhibitors
old=/run/current-system/switch-inhibitors
case $2 in
  switch | test) ;;
  *) exit 0 ;;
esac
if [[ ! -e $old || ! -e $new ]] || cmp -s "$old" "$new"; then
  exit 0
fi
{
  echo "There are changes to critical components of the system:"
  echo
  echo "  running: $(< "$old")"
  echo "  new:     $(< "$new")"
  echo
  echo "Switching into this system is not recommended."
  echo "You probably want to run 'nixos-rebuild boot' and reboot your system instead."
  echo
  echo "If you really want to switch into this configuration directly, then"
  echo "you can set NIXOS_NO_CHECK=1 to ignore pre-switch checks."
} >&2
exit 1
