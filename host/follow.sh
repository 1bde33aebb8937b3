# needs: json.sh lib.sh jobs.sh watch.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Waits until a job has something new to tell.

main() {
  local id
  arg_get id && id=$REPLY
  require_name id "$id"
  check_watch
  watch "$id"
  answer "$REPLY"
}

main
