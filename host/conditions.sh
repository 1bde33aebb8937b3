# shellcheck shell=bash disable=SC2154
# Conditions of units that a path decides, tried as systemd will try them.

# unmet_to_json: of the argument [conditions], lines such as ConditionPathExists=/path, those that are not met now; or, with
# [conditionsOf], of the units of a system. REPLY is `"unmet":[...]`, without braces.
unmet_to_json() {
  local line lines=${arg[conditions]:-}
  local -a unmet=()
  if [[ ${arg[conditionsOf]:-} ]]; then
    require_store_path conditionsOf "${arg[conditionsOf]}"
    lines=$(grep -Rhs '^Condition' -- "${arg[conditionsOf]}/etc/systemd/system/" | sed 's/=[|! ]*/=/' | sort -u) || true
  fi
  while IFS= read -r line; do
    is_met "${line%%=*}" "${line#*=}" || unmet+=("$line")
  done <<<"$lines"
  json_array "${unmet[@]}"
  REPLY="\"unmet\":$REPLY"
}

# is_met KIND PATH: true, too, of what cannot be tried here.
is_met() {
  case $1 in
    ConditionPathExists) [[ -e $2 ]] ;;
    ConditionPathExistsGlob) compgen -G "$2" >/dev/null ;;
    ConditionPathIsDirectory) [[ -d $2 ]] ;;
    ConditionPathIsSymbolicLink) [[ -L $2 ]] ;;
    ConditionFileNotEmpty) [[ -f $2 && -s $2 ]] ;;
    ConditionFileIsExecutable) [[ -f $2 && -x $2 ]] ;;
    # What is hidden does not count.
    ConditionDirectoryNotEmpty) compgen -G "$2/*" >/dev/null ;;
  esac
}
