# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# The state of every unit that systemd has loaded.

# unit_states: ,"name":"state"... of all but devices. What is inactive because a condition was not met when it was last to
# start is `unmet`: it will not start the next time either.
unit_states() {
  local -a idle=()
  mapfile -t idle < <(loaded_units --state=inactive | awk '$2 == "loaded" && $1 ~ /\.(service|socket|timer|mount|path)$/ { print $1 }')
  {
    loaded_units
    if ((${#idle[@]})); then systemctl show -p Id,ConditionResult,ConditionTimestampMonotonic -- "${idle[@]}"; fi
  } | sed 's/\\/\\\\/g' | awk '
    function unit() {
      if (id != "" && unmet && tried) state[id] = "unmet"
      id = ""
    }
    $1 !~ /=/ && NF >= 4 { if ($1 !~ /\.device$/ && ($2 == "loaded" || $3 != "inactive")) state[$1] = $3; next }
    /^Id=/ { id = substr($0, 4) }
    /^ConditionResult=/ { unmet = $0 == "ConditionResult=no" }
    /^ConditionTimestampMonotonic=/ { tried = $0 != "ConditionTimestampMonotonic=0" }
    !NF { unit() }
    END {
      unit()
      for (name in state) printf ",\"%s\":\"%s\"", name, state[name]
    }'
}

loaded_units() {
  systemctl list-units --all --plain --no-legend --no-pager --full "$@"
}
