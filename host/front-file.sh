# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The file by which a proxy knows who gets public traffic. While a flip has not been proven, what it said before is beside
# it, with its mode, its owner and its times; an empty one stands for no file.

readonly MARK='# nixos-promote: '

front=''       # the file
front_before=''
front_unit=''

read_front() {
  arg_get file && front=$REPLY
  require_directory file "$front"
  [[ ${front##*/} != .* ]] || fail bad-argument "[file] must not begin with a dot."
  front_before=${front%/*}/.${front##*/}.before
  arg_get unit
  require_unit unit "$REPLY"
  front_unit=$REPLY
  if [[ -L $front || (-e $front && ! -f $front) ]] || { [[ -s $front ]] && read_line "$front" && [[ $REPLY != "$MARK"* ]]; }; then
    fail foreign-file "[traffic.file] $front is there already, and was not written by a flip." "Nothing was changed. Name another file, and import that in the Caddyfile."
  fi
}

# target_in FILE: REPLY is where traffic goes by it; false if there is no word on that.
target_in() {
  local line
  if [[ -r $1 ]]; then
    while IFS= read -r line; do
      if [[ $line == 'to '* ]]; then
        REPLY=${line#to }
        return 0
      fi
    done <"$1"
  fi
  REPLY=
  return 1
}

# front_to_json: what it says, and whether somebody reads it.
front_to_json() {
  local machine_id='' target='' before='' trial=false running=false
  read_line /etc/machine-id && machine_id=$REPLY
  target_in "$front" && target=$REPLY
  if [[ -e $front_before ]]; then
    trial=true
    target_in "$front_before" && before=$REPLY
  fi
  if systemctl is-active --quiet -- "$front_unit"; then running=true; fi
  json_object machineId:s "$machine_id" target:o "$target" trial:j "$trial" before:o "$before" running:j "$running"
}
