# needs: json.sh lib.sh jobs.sh watch.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The operator's word that the host can still be reached: the activation may commit. Answers what comes of that, too.

main() {
  local id dir file accepted=false decision='' head
  arg_get id && id=$REPLY
  require_name id "$id"
  check_watch
  dir=$STATE/jobs/$id
  decision_file "$id"
  file=$REPLY
  read_status "$dir"
  # The job takes back the offer in the same way when the time is over, so only one of the two can happen.
  if [[ $status_step == await-confirmation ]] && job_alive "$dir"; then exclusive_file "$file" confirmed || true; fi
  if [[ -e $file ]]; then read -r decision <"$file"; fi
  if [[ $decision == confirmed ]]; then accepted=true; fi
  json_object accepted:j "$accepted" decision:o "$decision" step:o "$status_step"
  head=${REPLY%?}
  if [[ $accepted != true ]]; then arg[waitSeconds]=0; fi
  watch "$id"
  answer "$head,\"news\":$REPLY}"
}

main
