# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What a switch does to units, by systemd's own word: not by what was foreseen, nor by what the program says. Counted are units
# of the old and the new system that can run something; so no session, device or transient unit, and no job of ours.

readonly CHANGES_KEPT=200
units_running='' units_fd='' switch_began=0 switch_ended=0

# look_at_units: which units run before the switch, with their sub-states. Sets failed_before, too.
look_at_units() {
  local text name active sub failed='' running=' '
  text=$(systemctl list-units --all --plain --no-legend --no-pager --full --type=service,socket,timer,path,mount,swap,automount,scope) || true
  while read -r name _ active sub _; do
    if [[ $active == failed || $sub == auto-restart* ]] && [[ $name != nixos-promote-* ]]; then failed+=$name$'\n'; fi
    case $active in active | activating | reloading | refreshing) running+="$name/$sub " ;; esac
  done <<<"$text"
  units_running=$running failed_before=${failed%$'\n'}
}

# changes_begin, changes_end: around the switch. What the second one asks is read when the transaction ends.
changes_begin() { switch_began=${EPOCHREALTIME//[!0-9]/}; }

changes_end() {
  local began
  switch_ended=${EPOCHREALTIME//[!0-9]/}
  TZ=UTC0 printf -v began '%(%Y-%m-%d %H:%M:%S)T' "$((switch_began / 1000000))"
  exec {units_fd}< <(unit_changes "$began.${switch_began: -6}" 3>&- 4>&-)
}

# unit_changes BEGAN: a line for each unit that has changed since: unit, change, from, to (milliseconds, or null), state, triggered.
unit_changes() {
  timeout --kill-after=2 20 systemctl show --all --timestamp=us+utc \
    -p Id,ActiveState,SubState,TriggeredBy,BusName,StateChangeTimestamp,InactiveExitTimestamp,ActiveEnterTimestamp,ActiveExitTimestamp,InactiveEnterTimestamp \
    -- '*.service' '*.socket' '*.timer' '*.path' '*.mount' 2>/dev/null </dev/null |
    RUNNING=$units_running LC_ALL=C awk -v began="$1" '
      function since(key) { return value[key] >= began }
      function at(key) { return since(key) ? int((seconds(value[key]) - seconds(began) + 86400) % 86400 * 1000) : "null" }
      function seconds(stamp,    part) {
        split(substr(stamp, 12), part, ":")
        return part[1] * 3600 + part[2] * 60 + part[3]
      }
      function put(change, from, to) {
        line[++lines] = value["Id"] "\t" change "\t" from "\t" to "\t" value["ActiveState"] "\t" (value["TriggeredBy"] value["BusName"] != "")
        key[lines] = from == "null" ? 0 : from
      }
      function end_of_unit(    id, runs, reached) {
        id = value["Id"]
        if (id == "") return
        runs = value["ActiveState"] ~ /^(active|activating|reloading|refreshing)$/
        reached = runs ? at("ActiveEnterTimestamp") : at("InactiveEnterTimestamp")
        if (!(id in was)) {
          if (since("InactiveExitTimestamp")) put("started", at("InactiveExitTimestamp"), reached)
        } else if (since("InactiveExitTimestamp"))
          put("restarted", since("ActiveExitTimestamp") ? at("ActiveExitTimestamp") : at("InactiveExitTimestamp"), reached)
        else if (!runs)
          put("stopped", since("ActiveExitTimestamp") ? at("ActiveExitTimestamp") : at("InactiveEnterTimestamp"), at("InactiveEnterTimestamp"))
        else if (id ~ /\.(service|mount)$/ && since("StateChangeTimestamp") && !since("ActiveEnterTimestamp") && value["SubState"] == was[id])
          put("reloaded", at("StateChangeTimestamp"), at("StateChangeTimestamp"))
        delete was[id]
        split("", value)
      }
      BEGIN {
        count = split(ENVIRON["RUNNING"], words, " ")
        for (i = 1; i <= count; i++) {
          match(words[i], /\/[^\/]*$/)
          was[substr(words[i], 1, RSTART - 1)] = substr(words[i], RSTART + 1)
        }
      }
      /^$/ { end_of_unit(); next }
      {
        split_at = index($0, "=")
        name = substr($0, 1, split_at - 1)
        value[name] = substr($0, split_at + 1)
        # Without the day of the week.
        if (name ~ /Timestamp$/) sub(/^[A-Za-z]+ /, "", value[name])
      }
      END {
        end_of_unit()
        # Gone from systemd altogether.
        for (id in was) if (id ~ /\.(service|socket|timer|path|mount)$/) {
          value["Id"] = id
          value["ActiveState"] = "inactive"
          put("stopped", "null", "null")
        }
        for (i = 2; i <= lines; i++)
          for (j = i; j > 1 && key[j - 1] > key[j]; j--) {
            swap = key[j]; key[j] = key[j - 1]; key[j - 1] = swap
            swap = line[j]; line[j] = line[j - 1]; line[j - 1] = swap
          }
        for (i = 1; i <= lines; i++) print line[i]
      }'
}

# changes_to_json: REPLY is what became of units, null if there was no switch.
changes_to_json() {
  local unit change from to state triggered more out='' planned=null kept=0 omitted=0 verb
  local -a names=()
  REPLY=null
  if [[ ! $units_fd ]]; then return 0; fi
  while IFS=$'\t' read -r unit change from to state triggered <&"$units_fd"; do
    unit_of "${previous:-$toplevel}" "$unit" || unit_of "$toplevel" "$unit" || continue
    if ((kept >= CHANGES_KEPT)); then
      omitted=$((omitted + 1))
      continue
    fi
    kept=$((kept + 1)) more=''
    if ((triggered)); then more=,\"triggered\":true; fi
    json_string "$unit"
    out+=",{\"unit\":$REPLY,\"change\":\"$change\",\"from\":$from,\"to\":$to,\"state\":\"$state\"$more}"
  done
  exec {units_fd}<&-
  units_fd=''
  if [[ ${arg[planned.stop.length]+set} ]]; then
    planned=''
    for verb in stop start restart reload; do
      arg_list "planned.$verb" names
      json_array "${names[@]}"
      planned+=",\"$verb\":$REPLY"
    done
    planned="{${planned:1}}"
  fi
  REPLY="{\"began\":$((switch_began / 1000)),\"ended\":$((switch_ended / 1000)),\"planned\":$planned,\"changed\":[${out:1}],\"omitted\":$omitted}"
}
