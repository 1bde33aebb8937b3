# needs: json.sh lib.sh roots.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What the host remembers: the newest records of its ledger, and the releases that it could run again. Reads only.

main() {
  local limit=${arg[limit]:-20} records='' damaged=0 line manifest=null
  local -a releases=()
  [[ $limit =~ ^[1-9][0-9]{0,3}$ ]] || fail bad-argument "[limit] is not a number from 1 to 9999."
  if [[ ${arg[toplevel]+set} ]]; then
    require_store_path toplevel "${arg[toplevel]}"
    if [[ ${arg[id]-} ]]; then require_name id "${arg[id]}"; fi
    read_manifest "${arg[toplevel]}" "${arg[id]-}"
    manifest=$REPLY
  fi
  while IFS= read -r line; do
    case $line in
      damaged\ *) damaged=${line#* } ;;
      release\ *) releases+=("${line#* }") ;;
      *) records+=,$line ;;
    esac
  done < <(read_ledger "$limit")
  releases_to_json "${releases[@]}"
  answer "{\"records\":[${records:1}],\"damaged\":$damaged,\"releases\":$REPLY,\"manifest\":$manifest}"
}

# read_ledger LIMIT: the newest records, the newest first; `release PATH` for the system of each; at last how many lines
# before them are no JSON.
read_ledger() {
  if [[ -s $STATE/ledger.jsonl ]]; then tac -- "$STATE/ledger.jsonl" 2>/dev/null; fi | tr -d '\000' | LC_ALL=C awk -v limit="$1" '
    # Escapes become a byte that only strings may hold, strings another, other values a third; then whatever is whole becomes
    # a value, from the inside out.
    function is_record(text) {
      if (text !~ /^\{"/ || text ~ /[\001-\037]/) return 0
      gsub(/\\(["\\\/bfnrt]|u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F])/, "\003", text)
      if (index(text, "\\")) return 0
      gsub(/"[^"]*"/, "\001", text)
      gsub(/-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null/, "\002", text)
      while (gsub(/\{\}|\[\]|\{\001:[\001\002](,\001:[\001\002])*\}|\[[\001\002](,[\001\002])*\]/, "\002", text)) ;
      return text == "\002"
    }
    function path_of(text) {
      if (match(text, /"toplevel":"\/nix\/store\/[0-9a-z]+-[0-9a-zA-Z+._?=-]+"/)) return substr(text, RSTART + 12, RLENGTH - 13)
      return ""
    }
    /^[ \t\r]*$/ { next }
    !is_record($0) { damaged++; next }
    {
      print
      path = path_of($0)
      if (path != "" && !(path in seen)) { seen[path] = 1; print "release " path }
      if (++found == limit) exit
    }
    END { print "damaged " damaged + 0 }'
}

# releases_to_json PATH...: is each still valid, is it held against garbage collection, and has it a manifest?
releases_to_json() {
  local path invalid='' out='' valid held kept roots
  if (($#)); then invalid=$'\n'$(timeout 60 nix-store --check-validity --print-invalid -- "$@" 2>/dev/null)$'\n' || invalid=unknown; fi
  roots_to_json
  roots=$REPLY
  for path; do
    valid=true held=false kept=false
    if [[ $invalid == unknown ]]; then valid=null; elif [[ $invalid == *$'\n'"$path"$'\n'* ]]; then valid=false; fi
    if [[ $roots == *":\"$path\""* ]]; then held=true; fi
    manifest_file "$path"
    if [[ -s $REPLY ]]; then kept=true; fi
    json_object toplevel:s "$path" valid:j "$valid" held:j "$held" manifest:j "$kept"
    out+=,$REPLY
  done
  REPLY="[${out:1}]"
}

manifest_file() {
  REPLY=${1#/nix/store/}
  REPLY=$STATE/releases/${REPLY%%-*}.json
}

# read_manifest TOPLEVEL ID: REPLY is the manifest of its release as a JSON string, or null. Of links alone, that of the
# transaction: the system says nothing about them.
read_manifest() {
  local text
  manifest_file "$1"
  if [[ $2 && -s $STATE/releases/$2.json ]]; then REPLY=$STATE/releases/$2.json; fi
  if [[ -s $REPLY ]] && text=$(tr -d '\000' <"$REPLY"); then json_string "$text"; else REPLY=null; fi
}

main
