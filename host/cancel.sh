# needs: json.sh lib.sh jobs.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Asks a job to stop. An activation rolls back, unless it has been confirmed already.

main() {
  local id dir file pid cancelled=false decision=''
  arg_get id && id=$REPLY
  require_name id "$id"
  dir=$STATE/jobs/$id
  decision_file "$id"
  file=$REPLY
  read_status "$dir"
  # A process that is just being started cannot be seen for a moment.
  if [[ -d $dir && ! -e $dir/exit ]]; then job_alive "$dir" || nap 0.3; fi
  if job_alive "$dir" && ! read_result "$dir"; then
    exclusive_file "$file" cancelled || true
    if [[ -e $file ]]; then read -r decision <"$file"; fi
    if [[ $decision == cancelled ]]; then
      cancelled=true
      read -r pid <"$dir/pid"
      kill -TERM "$pid" 2>/dev/null || true
    fi
  fi
  json_object cancelled:j "$cancelled" decision:o "$decision" step:o "$status_step"
  answer "$REPLY"
}

main
