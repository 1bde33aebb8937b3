# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The kinds of probes, one function each: true if it passed; ANSWER is what it saw, in words.
# They run in the process of probe_watch and use its variables: p (the key of the probe), file, limit, place, toplevel.
# A try costs two processes (`timeout` and what it runs), one of a unit on the host three.

try_http() {
  local code=0 status='' hops=0 url='' location='' complaint='' line
  local -a want=() redirects=(--max-redirs 0)
  # Unless asked no redirects: a login page that answers 200 is not the service.
  if [[ ${arg[$p.followRedirects]:-false} == true ]]; then redirects=(--location --max-redirs 5 --proto-redir '=http,https'); fi
  # -q: no ~/.curlrc.
  capture first curl -q --silent --show-error --globoff --noproxy '*' --proto '=http,https' "${redirects[@]}" --max-time "$limit" \
    --write-out '%{stderr}%{http_code} %{num_redirects} %{url_effective} %{redirect_url}\n' --url "${arg[$p.url]}" || code=$?
  while IFS= read -r line; do
    if [[ $line =~ ^([0-9]{3})\ ([0-9]+)\ ([^ ]*)\ (.*)$ ]]; then
      status=${BASH_REMATCH[1]} hops=${BASH_REMATCH[2]} url=${BASH_REMATCH[3]} location=${BASH_REMATCH[4]}
    elif [[ $line ]]; then
      complaint=$line
    fi
  done <"$file.error"
  # 23: we stopped reading.
  if [[ $code != 0 && $code != 23 || $status == 000 || ! $status ]]; then
    case $code in
      7) ANSWER="connection refused" ;;
      28 | 124 | 137) ANSWER="no answer within ${limit%.000} s" ;;
      47) ANSWER="more than 5 redirects, the last from ${url:0:200}" ;;
      126 | 127) ANSWER="curl cannot be run there: ${complaint:0:200}" ;;
      *) ANSWER=${complaint:0:200} ;;
    esac
    ANSWER=${ANSWER:-"curl ended with $code"}
    return 1
  fi
  ANSWER=$status
  if ((hops)); then ANSWER+=" at ${url:0:200} (redirected)"; fi
  if [[ $location ]]; then ANSWER+=" to ${location:0:200}"; fi
  arg_list "$p.status" want
  if ((!${#want[@]})); then want=(200); fi
  [[ " ${want[*]} " == *" $status "* ]] || return 1
  if [[ ${arg[$p.body]+set} ]] && ! matches "$CAPTURED" "${arg[$p.body]}"; then
    first_bytes "$CAPTURED" 120
    ANSWER+=", but the body does not match: $REPLY"
    return 1
  fi
}

# matches TEXT PATTERN: 2 if the pattern is none.
matches() { [[ $1 =~ $2 ]]; }

try_unit() {
  local line name pid
  local -A have=()
  require_unit unit "${arg[$p.unit]}"
  name=$REPLY
  capture first systemctl show -p LoadState,ActiveState,SubState,Result,MainPID,NRestarts,FragmentPath -- "$name" || true
  while IFS= read -r line; do if [[ $line == ?*=* ]]; then have[${line%%=*}]=${line#*=}; fi; done <<<"$CAPTURED"
  if [[ ! ${have[ActiveState]-} ]]; then
    error_line
    ANSWER="no answer from systemctl${REPLY:+: $REPLY}"
    return 1
  fi
  ANSWER="${have[ActiveState]} (${have[SubState]-})"
  if [[ ${have[LoadState]-} == not-found ]]; then ANSWER="there is no unit $name"; fi
  if [[ ${have[ActiveState]} == failed ]]; then ANSWER+=", ${have[Result]-}"; fi
  [[ ${have[ActiveState]} == "${arg[$p.state]:-active}" ]] || return 1
  pid=${have[MainPID]-0}
  if [[ $healthy && ${soak_pid:-$pid} != "$pid" ]]; then
    ANSWER="the service died and was restarted (process ${soak_pid-} is now $pid)"
    return 1
  fi
  soak_pid=$pid
  [[ ${arg[$p.identity]:-false} == true && ${arg[$p.state]:-active} == active ]] || return 0
  if ((${#place[@]})); then
    program_in_place "$pid"
  else
    program_on_host "$name" "$pid" "${have[FragmentPath]-}" || return 1
  fi
  identity "$name" "$pid" "$REPLY"
}

# program_on_host UNIT PID FRAGMENT: REPLY is program and arguments; false if the unit file is not the release's.
program_on_host() {
  local wanted=$toplevel/etc/systemd/system/$1 word text=''
  local -a real=()
  if [[ ! -e $wanted && $1 == *@*.* ]]; then wanted=$toplevel/etc/systemd/system/${1%%@*}@.${1##*.}; fi
  mapfile -t real < <(exec readlink -m -- "${3:-/}" "$wanted" "/proc/$2/exe")
  if [[ ! $3 ]]; then
    ANSWER+=", but it has no unit file, so none of the release"
    return 1
  elif [[ ${real[0]-} != "${real[1]-}" ]]; then
    ANSWER+=", but its unit file is ${real[0]-}, not the release's"
    return 1
  fi
  text=${real[2]-}
  { while IFS= read -r -d '' word; do text+=$'\n'$word; done <"/proc/$2/cmdline"; } 2>/dev/null || true
  REPLY=$text
}

program_in_place() {
  capture first readlink -- "/proc/$1/exe" || true
  local text=$CAPTURED
  capture first cat -- "/proc/$1/cmdline" || true
  REPLY=$text$'\n'$CAPTURED
}

# identity UNIT PID TEXT: does it run the files of the release? An old process that was kept running does not.
identity() {
  local path
  if [[ ! $2 =~ ^[1-9] ]]; then return 0; fi
  store_paths_in "$3"
  for path in "${runs[@]}"; do
    if [[ $'\n'$probes_closure != *$'\n'"$path"$'\n'* ]]; then
      ANSWER+=", but process $2 runs $path, which is not in the release"
      return 1
    fi
  done
  ((${#place[@]})) || ! strays_from_links "$1" "$2"
}

try_socket() {
  local port=${arg[$p.port]} wanted=${arg[$p.address]-} line address others=''
  capture first ss -Hltn "sport = :$port" || {
    error_line
    ANSWER="ss cannot be run there: $REPLY"
    return 1
  }
  ANSWER="listening on ${wanted:+$wanted }port $port"
  while read -r _ _ _ line _; do
    address=${line%:*}
    address=${address%\%*}
    address=${address#[}
    address=${address%]}
    if [[ ! $address ]]; then continue; fi
    # 0.0.0.0 and :: take connections to every address.
    if [[ ! $wanted || $address == "$wanted" || $address == '*' || $address == :: ]]; then return 0; fi
    if [[ $address == 0.0.0.0 && $wanted != *:* ]]; then return 0; fi
    others+=", $address"
  done <<<"$CAPTURED"
  ANSWER="nothing listens on ${wanted:+$wanted }port $port${others:+, only on ${others:2}}"
  return 1
}

try_command() {
  local code=0 line last=''
  local -a argv=()
  arg_list "$p.argv" argv
  capture last "${argv[@]}" || code=$?
  while IFS= read -r line; do
    if [[ $line == *[![:space:]]* ]]; then last=$line; fi
  done <<<"$CAPTURED"
  ANSWER="exit $code"
  if [[ $code == 124 || $code == 137 ]]; then ANSWER="no end within ${limit%.000} s"; fi
  first_bytes "$last" 200
  if [[ $REPLY ]]; then ANSWER+=": $REPLY"; fi
  ((code == 0))
}
