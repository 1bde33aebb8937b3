# needs: json.sh lib.sh roots.sh front-file.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Sends public traffic to another host; makes that good, or takes it back:
#   move  the file says the new place, and the proxy has read it; what it said before is kept beside it
#   keep  the new place has proven itself: nothing is kept
#   back  the file as it was, to the byte, and read again

readonly RELOAD_SECONDS=30
readonly PLACE='^((https?|h2c)://)?([A-Za-z0-9.-]+|\[[0-9a-f:.]+\]):[0-9]{1,5}$'
began=$EPOCHSECONDS

main() {
  local lock
  read_front
  mkdir -p -- "$VOLATILE" && exec {lock}>>"$VOLATILE/front.lock"
  flock --timeout 20 "$lock" || fail busy "Somebody else is moving the traffic of this proxy." "Nothing was changed. Try again."
  require_unchanged
  arg_get step
  case $REPLY in
    move) move ;;
    keep) rm -f -- "$front_before" ;;
    back) back ;;
    *) fail bad-argument "[step] is not one of move, keep, back." ;;
  esac
  front_to_json
  answer "$REPLY"
}

# A decision was taken on what was seen: it is not for anything else.
require_unchanged() {
  target_in "$front" || true
  [[ $REPLY == "${arg[was]-}" ]] ||
    fail moved-meanwhile "Somebody else has changed $front in the meantime: it says ${REPLY:-nothing} now." "Nothing was changed. Run again."
}

move() {
  local to proven='' new=${front%/*}/.${front##*/}.new
  if [[ ! -e $front_before ]]; then proven=yes; fi
  arg_get to && to=$REPLY
  [[ $to =~ $PLACE ]] || fail bad-argument "[to] is not a place to send traffic to."
  arg_get host
  require_name host "$REPLY"
  require_running
  if ! {
    mkdir -p -- "${front%/*}" && keep_before &&
      printf '%spublic traffic goes to %s. What is written here by hand is lost.\nto %s\n' "$MARK" "${arg[host]}" "$to" >"$new" &&
      chmod 0644 -- "$new" && sync -- "$new" && mv -fT -- "$new" "$front"
  } 2>/dev/null; then
    rm -f -- "$new" "$front_before.new" 2>/dev/null || true
    if [[ $proven ]]; then rm -f -- "$front_before" 2>/dev/null || true; fi
    fail write-failed "$front could not be written." "Nothing was changed. Is the disk full?"
  fi
  sync -- "${front%/*}" 2>/dev/null || true
  reload || {
    local why=$REPLY
    if put_back && reload; then
      fail reload-failed "$front_unit did not take it: $why. The file is as it was, and $front_unit goes on by it." "Does its Caddyfile import $front within reverse_proxy?"
    fi
    fail reload-failed "$front_unit did not take it: $why. It did not read the file as it was before either: $REPLY." "It goes on by what it has read last. Look at \`systemctl status $front_unit\` on the proxy."
  }
}

# keep_before: of several flips that nobody has proven, what was there before the first.
keep_before() {
  if [[ -e $front_before ]]; then return 0; fi
  if [[ -e $front ]]; then
    cp --archive --no-target-directory -- "$front" "$front_before.new" && mv -fT -- "$front_before.new" "$front_before"
  else
    : >"$front_before"
  fi
}

back() {
  [[ -e $front_before ]] || fail nothing-before "What $front said before is not there any more." "Nothing was changed."
  put_back || fail write-failed "$front could not be put back; what it said is in $front_before." "Put it back by hand, and reload $front_unit."
  reload || fail reload-failed "$front says what it said before, and $front_unit did not read it: $REPLY." "Look at \`systemctl status $front_unit\` on the proxy."
}

put_back() {
  if [[ ! -e $front_before ]]; then return 0; fi
  if [[ -s $front_before ]]; then mv -fT -- "$front_before" "$front"; else rm -f -- "$front" "$front_before"; fi
}

require_running() {
  systemctl is-active --quiet -- "$front_unit" ||
    fail proxy-down "The proxy does not run: $front_unit is not active." "Nothing was changed. Start it first, or correct [traffic.unit]."
}

# reload: false if the proxy has not read it; REPLY says why.
reload() {
  local code=0 line
  timeout --kill-after=5 "$RELOAD_SECONDS" systemctl reload -- "$front_unit" </dev/null 2>/dev/null || code=$?
  ((code)) || return 0
  REPLY="its reload ended with $code"
  if ((code == 124)); then REPLY="its reload did not end within $RELOAD_SECONDS s"; fi
  while IFS= read -r line; do
    if [[ $line == 'Error: '* ]]; then REPLY=${line#Error: }; fi
  done < <(timeout 10 journalctl --quiet --no-pager --unit="$front_unit" --since="@$began" --output=cat --lines=50 </dev/null 2>/dev/null)
  first_bytes "${REPLY//[$'\x01'-$'\x1f\x7f']/ }" 400
  return 1
}

main
