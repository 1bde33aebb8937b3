# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The health contract: probes as data, tried side by side, each until its own deadline.

readonly PROBE_CHANGES=5
ANSWER=
probes_json='[]' probes_failed='' probes_closure='' running=''
# `no` after a rollback: the old system has had its soak long ago.
probes_soak=yes

# check_probes: refuses what could never pass, before the host is touched.
check_probes() {
  local i key count=${arg[probes.length]:-0}
  [[ $count =~ ^[0-9]{1,3}$ ]] || fail bad-argument "[probes.length] is not a number."
  for ((i = 0; i < count; i++)); do
    arg_get "probes.$i.name"
    for key in graceSeconds intervalSeconds deadlineSeconds soakSeconds timeoutSeconds; do
      if [[ ${arg[probes.$i.$key]+set} ]]; then require_seconds "probes.$i.$key" "${arg[probes.$i.$key]}"; fi
    done
    for key in onlyIfActive namespace.unit; do
      if [[ ${arg[probes.$i.$key]+set} ]]; then require_unit "probes.$i.$key" "${arg[probes.$i.$key]}"; fi
    done
    REPLY=${arg[probes.$i.namespace.path]-/}
    [[ $REPLY == /* ]] || fail bad-argument "[probes.$i.namespace.path] is not an absolute path."
    arg_get "probes.$i.kind"
    case $REPLY in
      http)
        arg_get "probes.$i.url"
        if [[ ${arg[probes.$i.body]+set} ]]; then
          key=0
          matches '' "${arg[probes.$i.body]}" || key=$?
          ((key < 2)) || fail bad-argument "[probes.$i.body] is not an extended regular expression."
        fi
        ;;
      unit)
        arg_get "probes.$i.unit"
        require_unit "probes.$i.unit" "$REPLY"
        ;;
      socket)
        arg_get "probes.$i.port"
        [[ $REPLY =~ ^[0-9]{1,5}$ ]] || fail bad-argument "[probes.$i.port] is not a port."
        ;;
      command) arg_get "probes.$i.argv.0" ;;
      *) fail bad-argument "[probes.$i.kind] is not one of http, unit, socket, command." ;;
    esac
  done
}

# run_probes TOPLEVEL [once]: tries all of them; true if every required one passed.
# Sets probes_json and probes_failed (a sentence). Stops as soon as a required one has failed; of those that fall together
# it names the first of the contract, as the later ones often stand on it.
run_probes() {
  local toplevel=$1 once=${2:-} count=${arg[probes.length]:-0} i began open failed fell='' lost='' told='' message
  local -a pids=() starts=()
  probes_json='[]' probes_failed=''
  ((count)) || return 0
  mkdir -p -- "$RUN/probes" && rm -f -- "$RUN"/probes/*
  read_closure "$toplevel"
  now
  began=$REPLY
  for ((i = 0; i < count; i++)); do start_probe "$i"; done
  while :; do
    open=0 failed=''
    running_probes
    for ((i = 0; i < count; i++)); do
      if probe_result "$i"; then
        if [[ $REPLY != 1$'\t'* && ${arg[probes.$i.required]:-true} == true && ! $failed ]]; then failed=$i; fi
      elif awaited "$i"; then
        if [[ $running == *" ${pids[i]} "* ]] || probe_result "$i" || start_probe "$i"; then
          open=$((open + 1))
        elif [[ ${arg[probes.$i.required]:-true} == true ]]; then
          failed=${failed:-$i} lost=yes
        fi
      fi
    done
    if ((!open)) || [[ $lost ]] || is_cancelled; then break; fi
    if [[ $failed ]]; then
      now
      fell=${fell:-$REPLY}
      any_due "$((fell + 2000000))" "$count" || break
    fi
    waiting_for "$began" "$count"
    message=$REPLY
    if [[ $message != "$told" ]]; then
      told=$message
      status "$step" "$message"
    fi
    nap 0.05
  done
  running_probes
  # shellcheck disable=SC2086 # a list of numbers
  if [[ $running != ' ' ]]; then kill $running 2>/dev/null || true; fi
  wait "${pids[@]}" 2>/dev/null || true
  collect_probes "$count" "$began"
  if [[ $cancelled ]]; then
    probes_failed="Cancelled while waiting for the services to become healthy"
  elif [[ $failed ]]; then
    probe_answer "$failed"
    probes_failed="${arg[probes.$failed.name]} is not healthy: $REPLY"
  fi
  [[ ! $probes_failed ]]
}

# start_probe INDEX: in a process of its own. One that has ended without a verdict says nothing about the service, so it
# is started again; false if that has been tried often enough. Uses the variables of run_probes.
start_probe() {
  local code=0
  starts[$1]=$((${starts[$1]:-0} + 1))
  if ((starts[$1] > 1)); then
    wait "${pids[$1]}" 2>/dev/null || code=$?
    note "[$step] The process of the probe ${arg[probes.$1.name]} has ended unexpectedly (exit $code)."
    if ((starts[$1] > 3)); then
      printf '0\tend\t0\t0\tits process ended unexpectedly (exit %s), again and again\n' "$code" >"$RUN/probes/$1.state"
      return 1
    fi
  fi
  (probe_watch "$1" "$toplevel" "$once") &
  pids[$1]=$!
}

# running_probes: sets running to their processes, by the shell's own list: after a while the number of one that has ended may
# be somebody else's.
running_probes() {
  local pid
  running=' '
  jobs -pr >"$RUN/probes.running"
  while read -r pid; do running+="$pid "; done <"$RUN/probes.running"
}

# waiting_for BEGAN COUNT: "waiting for hypervisor: 503, 12 s of 120 s (and 2 more)". Of several the one that is the furthest
# from passing: still failing, then in its soak, then in its grace.
waiting_for() {
  local i phase from total answer rank best=9 open=0 text=''
  for ((i = 0; i < $2; i++)); do
    if probe_result "$i" || ! awaited "$i"; then continue; fi
    open=$((open + 1))
    phase=try from=$1 total=${arg[probes.$i.deadlineSeconds]:-60} answer=''
    if [[ -s $RUN/probes/$i.state ]]; then
      IFS=$'\t' read -r _ phase from total answer <"$RUN/probes/$i.state" || true
    fi
    case $phase in
      soak) rank=1 ;;
      grace) rank=2 ;;
      *) rank=0 ;;
    esac
    if ((rank >= best)); then continue; fi
    best=$rank
    now
    text="waiting for ${arg[probes.$i.name]}: ${answer:-no answer yet}, "
    case $phase in
      soak) text+="healthy for " ;;
      grace) text+="grace of " ;;
    esac
    text+="$(((REPLY - from) / 1000000)) s of $total s"
  done
  if ((open > 1)); then text+=" (and $((open - 1)) more)"; fi
  REPLY=$text
}

# any_due BY COUNT: a required one is still failing, will have had all its time at BY, and that is not over yet.
any_due() {
  local i phase from total
  now
  ((REPLY < $1)) || return 1
  for ((i = 0; i < $2; i++)); do
    if probe_result "$i" || [[ ${arg[probes.$i.required]:-true} != true || ! -s $RUN/probes/$i.state ]]; then continue; fi
    IFS=$'\t' read -r _ phase from total _ <"$RUN/probes/$i.state" || true
    micros "$total"
    if [[ $phase == try ]] && ((from + REPLY <= $1)); then return 0; fi
  done
  return 1
}

# awaited INDEX: an optional probe is asked at least once, but nobody waits for it.
awaited() {
  [[ ${arg[probes.$1.required]:-true} == true || ! -s $RUN/probes/$1.state ]]
}

# probe_result INDEX: REPLY is 1 or 0, a tab and JSON; false while undecided.
probe_result() {
  [[ -e $RUN/probes/$1.result ]] && IFS= read -r REPLY <"$RUN/probes/$1.result"
}

# probe_answer INDEX: the last answer, in words.
probe_answer() {
  REPLY=
  if [[ -e $RUN/probes/$1.state ]]; then IFS= read -r REPLY <"$RUN/probes/$1.state" || true; fi
  REPLY=${REPLY##*$'\t'}
}

collect_probes() {
  local i out='' state elapsed attempts
  now
  seconds $((REPLY - $2))
  elapsed=$REPLY
  for ((i = 0; i < $1; i++)); do
    if probe_result "$i"; then
      out+=,${REPLY#*$'\t'}
    else
      state=
      if [[ -e $RUN/probes/$i.state ]]; then IFS= read -r state <"$RUN/probes/$i.state" || true; fi
      attempts=${state%%$'\t'*}
      state=${state##*$'\t'}
      json_object name:s "${arg[probes.$i.name]}" kind:s "${arg[probes.$i.kind]}" \
        required:j "${arg[probes.$i.required]:-true}" ok:j false attempts:j "${attempts:-0}" seconds:j "$elapsed" answer:s "undecided when the waiting ended; last answer: ${state:-none}"
      out+=,$REPLY
    fi
  done
  probes_json="[${out:1}]"
}

# read_closure TOPLEVEL: only if a probe asks for identity.
read_closure() {
  local i count=${arg[probes.length]:-0}
  probes_closure=
  for ((i = 0; i < count; i++)); do
    if [[ ${arg[probes.$i.identity]:-false} == true ]]; then
      store_paths_of_links
      probes_closure=$(nix-store --query --requisites -- "$1" "${runs[@]}")$'\n' || probes_closure=
      return 0
    fi
  done
}

# ---- one probe, in a process of its own -----------------------------------------------------

# probe_watch INDEX TOPLEVEL ONCE
probe_watch() {
  local p=probes.$1 i=$1 toplevel=$2 once=$3 file=$RUN/probes/$1
  local kind=${arg[$p.kind]} attempts=0 began deadline healthy='' soak interval=${arg[$p.intervalSeconds]:-1} limit tried
  local changes='' changes_count=0 said='' pause=100000 longest
  local -a place=()
  trap - TERM EXIT
  now
  began=$REPLY
  if [[ ! $once ]] && ! is_zero "${arg[$p.graceSeconds]:-0}"; then
    ANSWER="not asked yet"
    probe_state grace "$began" "${arg[$p.graceSeconds]}"
    nap "${arg[$p.graceSeconds]}"
  fi
  now
  tried=$REPLY
  micros "${arg[$p.deadlineSeconds]:-60}"
  deadline=$((tried + REPLY))
  micros "${arg[$p.soakSeconds]:-0}"
  soak=$REPLY
  if [[ $probes_soak == no ]]; then soak=0; fi
  if is_zero "$interval"; then interval=0.1; fi
  micros "$interval"
  longest=$REPLY

  while :; do
    attempts=$((attempts + 1))
    try_limit "$deadline" "${arg[$p.timeoutSeconds]:-5}"
    limit=$REPLY
    if is_skipped; then probe_end 1; fi
    if probe_place "$i" && "try_$kind"; then
      probe_changed true
      now
      healthy=${healthy:-$REPLY}
      if ((REPLY - healthy >= soak)) || [[ $once ]]; then probe_end 1; fi
      probe_state soak "$healthy" "${arg[$p.soakSeconds]:-0}"
    else
      probe_changed false
      now
      if [[ $healthy ]]; then
        # A restart by systemd would hide a crash: one failure in the soak is the verdict.
        seconds $((REPLY - healthy))
        ANSWER="was healthy for ${REPLY%??} s, then: $ANSWER"
        probe_end 0
      fi
      if ((REPLY >= deadline)) || [[ $once ]]; then probe_end 0; fi
      probe_state try "$tried" "${arg[$p.deadlineSeconds]:-60}"
      # What has just been started often needs less than an interval.
      if ((pause < longest)); then
        seconds "$pause"
        nap "$REPLY"
        pause=$((pause * 2))
        continue
      fi
    fi
    nap "$interval"
  done
}

# probe_changed true|false: keeps when an answer was another one than before; the first few, in short.
probe_changed() {
  if [[ "$1 $ANSWER" == "$said" ]] || ((changes_count >= PROBE_CHANGES)); then return 0; fi
  said="$1 $ANSWER" changes_count=$((changes_count + 1))
  first_bytes "${ANSWER//[$'\x01'-$'\x1f\x7f']/ }" 60
  local answer=$REPLY
  now
  seconds $((REPLY - began))
  json_object seconds:j "$REPLY" ok:j "$1" answer:s "$answer"
  changes+=,$REPLY
}

# probe_state PHASE FROM SECONDS: the phase is grace, try or soak; it began at FROM and lasts SECONDS at most.
probe_state() {
  # It comes from a service or a command: no control characters for the operator's terminal.
  ANSWER=${ANSWER//[$'\x01'-$'\x1f\x7f']/ }
  first_bytes "$ANSWER" 600
  ANSWER=$REPLY
  # Not cut to nothing first: whoever reads it meanwhile has the old line or the new one.
  { printf '%s\t%s\t%s\t%s\t%s\n' "$attempts" "$1" "$2" "$3" "$ANSWER" 1<>"$file.state"; } 2>/dev/null || true
}

# probe_end 1|0
probe_end() {
  local ok=true
  if [[ $1 == 0 ]]; then ok=false; fi
  probe_state end "$began" 0
  now
  seconds $((REPLY - began))
  json_object name:s "${arg[$p.name]}" kind:s "$kind" required:j "${arg[$p.required]:-true}" \
    ok:j "$ok" attempts:j "$attempts" seconds:j "$REPLY" answer:s "$ANSWER"
  # One that was right at once has no story.
  if ((changes_count > 1)); then REPLY="${REPLY%?},\"changes\":[${changes:1}]}"; fi
  printf '%s\t%s\n' "$1" "$REPLY" >"$file.result"
  exit 0
}

is_zero() { [[ $1 =~ ^[0.]+$ ]]; }

now_plus() {
  local micro=$1
  now
  REPLY=$((REPLY + micro))
}

# try_limit DEADLINE TIMEOUT: the time of one try: TIMEOUT, but not much beyond the deadline.
try_limit() {
  local left most
  now
  left=$(($1 - REPLY))
  if ((left < 1000000)); then left=1000000; fi
  micros "$2"
  most=$REPLY
  seconds $((most < left ? most : left))
}
