# needs: json.sh lib.sh jobs.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What a transaction said at its end, as long as its job is kept. Reads only.

main() {
  arg_get id
  require_name id "${arg[id]}"
  # A result of another kind of job, or none, is nothing to tell here.
  if ! { read_result "$STATE/jobs/${arg[id]}" && [[ $REPLY == '{'*'}' ]]; }; then REPLY=null; fi
  answer "{\"result\":$REPLY}"
}

main
