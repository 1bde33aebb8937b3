# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The kinds of probes, one function each: true if it passed; ANSWER is what it saw, in words.
# They run in the process of probe_watch and use its variables: p (the key of the probe), file, limit, place, toplevel.

# at_place COMMAND...: on the host, or behind the prefix of the probe. `timeout` also keeps it from being a builtin.
at_place() {
  timeout --kill-after=2 "$limit" "${place[@]}" "$@"
}

try_http() {
  local code=0 status='' location='' complaint='' line
  local -a want=()
  # -q: no ~/.curlrc. No redirects: a login page that answers 200 is not the service.
  at_place curl -q --silent --show-error --globoff --noproxy '*' --proto '=http,https' --max-redirs 0 --max-time "$limit" \
    --write-out '%{stderr}%{http_code} %{redirect_url}\n' --url "${arg[$p.url]}" </dev/null 2>"$file.error" |
    head -c 65536 >"$file.body" || code=${PIPESTATUS[0]}
  while IFS= read -r line; do
    if [[ $line =~ ^([0-9]{3})\ (.*)$ ]]; then
      status=${BASH_REMATCH[1]} location=${BASH_REMATCH[2]}
    elif [[ $line ]]; then
      complaint=$line
    fi
  done <"$file.error"
  # 23: we stopped reading after 64 kB.
  if [[ $code != 0 && $code != 23 || $status == 000 || ! $status ]]; then
    case $code in
      7) ANSWER="connection refused" ;;
      28 | 124 | 137) ANSWER="no answer within ${limit%.000} s" ;;
      126 | 127) ANSWER="curl cannot be run there: ${complaint:0:200}" ;;
      *) ANSWER=${complaint:0:200} ;;
    esac
    ANSWER=${ANSWER:-"curl ended with $code"}
    return 1
  fi
  ANSWER=$status
  if [[ $location ]]; then ANSWER+=" to ${location:0:200}"; fi
  arg_list "$p.status" want
  if ((!${#want[@]})); then want=(200); fi
  [[ " ${want[*]} " == *" $status "* ]] || return 1
  if [[ ${arg[$p.body]+set} ]] && ! grep -Eazq -e "${arg[$p.body]}" -- "$file.body"; then
    line=$(head -c 120 -- "$file.body" | tr -d '\000')
    ANSWER+=", but the body does not match: $line"
    return 1
  fi
}

try_unit() {
  local line name pid
  local -A have=()
  require_unit unit "${arg[$p.unit]}"
  name=$REPLY
  while IFS= read -r line; do have[${line%%=*}]=${line#*=}; done < <(
    at_place systemctl show -p LoadState,ActiveState,SubState,Result,MainPID,NRestarts,FragmentPath -- "$name" </dev/null 2>&1
  )
  ANSWER="${have[ActiveState]:-unknown} (${have[SubState]:-no answer from systemctl})"
  if [[ ${have[LoadState]-} == not-found ]]; then ANSWER="there is no unit $name"; fi
  if [[ ${have[ActiveState]-} == failed ]]; then ANSWER+=", ${have[Result]-}"; fi
  [[ ${have[ActiveState]-} == "${arg[$p.state]:-active}" ]] || return 1
  pid=${have[MainPID]-0}
  if [[ $healthy && ${soak_pid:-$pid} != "$pid" ]]; then
    ANSWER="the service died and was restarted (process ${soak_pid-} is now $pid)"
    return 1
  fi
  soak_pid=$pid
  [[ ${arg[$p.identity]:-false} == true && ${arg[$p.state]:-active} == active ]] || return 0
  identity "$name" "$pid" "${have[FragmentPath]-}"
}

# identity UNIT PID FRAGMENT: does it run the files of the release? An old process that was kept running does not.
identity() {
  local fragment wanted path
  if ((!${#place[@]})); then
    wanted=$toplevel/etc/systemd/system/$1
    if [[ ! -e $wanted && $1 == *@*.* ]]; then wanted=$toplevel/etc/systemd/system/${1%%@*}@.${1##*.}; fi
    { read -r fragment && read -r wanted; } < <(readlink -m -- "$3" "$wanted") || true
    if [[ ! $3 || $fragment != "$wanted" ]]; then
      ANSWER+=", but its unit file is ${fragment:-absent}, not the release's"
      return 1
    fi
  fi
  if [[ ! $2 =~ ^[1-9] ]]; then return 0; fi
  store_paths_in "$(at_place readlink -- "/proc/$2/exe" 2>/dev/null </dev/null || true)
$(at_place cat -- "/proc/$2/cmdline" 2>/dev/null </dev/null | tr '\000' '\n' || true)"
  for path in "${runs[@]}"; do
    if [[ $'\n'$probes_closure != *$'\n'"$path"$'\n'* ]]; then
      ANSWER+=", but process $2 runs $path, which is not in the release"
      return 1
    fi
  done
  ((${#place[@]})) || ! strays_from_links "$1" "$2"
}

try_socket() {
  local found
  found=$(at_place ss -Hltn "sport = :${arg[$p.port]}" </dev/null 2>"$file.error") || {
    IFS= read -r found <"$file.error" || true
    ANSWER="ss cannot be run there: ${found:0:200}"
    return 1
  }
  ANSWER="listening on ${arg[$p.port]}"
  [[ $found ]] || {
    ANSWER="nothing listens on ${arg[$p.port]}"
    return 1
  }
}

try_command() {
  local code=0 line last=''
  local -a argv=()
  arg_list "$p.argv" argv
  (
    unset LC_ALL NIXOS_PROMOTE_JOB
    at_place "${argv[@]}"
  ) </dev/null >"$file.output" 2>&1 || code=$?
  while IFS= read -r line; do
    if [[ $line == *[![:space:]]* ]]; then last=$line; fi
  done < <(tail -c 2000 -- "$file.output" | tr -d '\000')
  ANSWER="exit $code"
  if [[ $code == 124 ]]; then ANSWER="no end within ${limit%.000} s"; fi
  if [[ $last ]]; then ANSWER+=": ${last:0:200}"; fi
  ((code == 0))
}
