# needs: json.sh lib.sh roots.sh front-file.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Where does the proxy of this host send public traffic, and how many of its connections to one place are open? Reads only.

main() {
  local state connections=null
  read_front
  front_to_json
  state=${REPLY%\}}
  if [[ ${arg[connectionsTo]+set} ]] && count_connections "${arg[connectionsTo]}"; then connections=$REPLY; fi
  answer "$state,\"connections\":$connections}"
}

# count_connections TARGET: false if the target is a name, or nobody can say.
count_connections() {
  local place=${1#*://} line count=0 lines
  [[ $place =~ ^([0-9.]+|\[[0-9a-f:.]+\]):[0-9]{1,5}$ ]] || return 1
  lines=$(timeout --kill-after=2 10 ss -Htn state established dst "$place" </dev/null 2>/dev/null) || return 1
  while IFS= read -r line; do if [[ $line ]]; then count=$((count + 1)); fi; done <<<"$lines"
  REPLY=$count
}

main
