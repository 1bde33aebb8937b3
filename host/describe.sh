# needs: json.sh json-awk.sh lib.sh roots.sh missing-paths.sh unit-states.sh conditions.sh etc-entries.sh accounts.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What a system would do to a host: its units as text, kernel, inhibitors and, if asked for, its closure with sizes, its files
# below /etc and its accounts. And of the host itself the state of its units, which conditions are not met there, which of
# many paths it does not have, and the units and files of another system, [after].

main() {
  local toplevel after=${arg[after]-} units_fd='' closure_fd='' states_fd='' etc_fd='' after_fd='' units='' closure='' version='' params='' init='' inhibitors='' kernel='' initrd='' more='' etc='' units_after=''
  arg_get toplevel && toplevel=$REPLY
  require_store_path toplevel "$toplevel"
  if [[ ${arg[units]:-true} == true ]]; then exec {units_fd}< <(unit_files "$toplevel/etc/systemd/system"); fi
  if [[ $after ]]; then
    require_store_path after "$after"
    exec {after_fd}< <(unit_files "$after/etc/systemd/system")
  fi
  if [[ ${arg[closure]:-false} == true ]]; then exec {closure_fd}< <(closure "$toplevel"); fi
  if [[ ${arg[states]:-false} == true ]]; then exec {states_fd}< <(unit_states); fi
  if [[ ${arg[etc]:-false} == true || ${arg[accounts]:-} ]]; then
    exec {etc_fd}< <(
      etc_entries etc "$toplevel"
      if [[ $after ]]; then printf , && etc_entries etcAfter "$after"; fi
      if [[ ${arg[accounts]:-} ]]; then printf , && accounts "$toplevel" "${arg[accounts]}"; fi
    )
  fi
  if [[ $closure_fd ]]; then
    # Empty for a path that is not valid, which saves the question.
    IFS= read -r -d '' closure <&"$closure_fd" || true
  fi
  if [[ ! $closure && $(print_invalid "$toplevel" ${after:+"$after"}) ]]; then
    answer '{"valid":false,"nixosVersion":null,"closure":[],"units":{},"kernel":null,"initrd":null,"kernelParams":null,"initInterface":null,"inhibitors":null}'
    return
  fi
  read_line "$toplevel/nixos-version" && version=$REPLY
  read_line "$toplevel/kernel-params" && params=$REPLY
  read_line "$toplevel/init-interface-version" && init=$REPLY
  if [[ -r $toplevel/switch-inhibitors ]]; then inhibitors=$(<"$toplevel/switch-inhibitors"); fi
  if [[ -e $toplevel/kernel ]]; then kernel=$(readlink -f -- "$toplevel/kernel"); fi
  if [[ -e $toplevel/initrd ]]; then initrd=$(readlink -f -- "$toplevel/initrd"); fi
  if [[ $units_fd ]]; then IFS= read -r -d '' units <&"$units_fd" || true; fi
  if [[ $closure_fd ]]; then
    [[ $closure ]] || fail describe-failed "The closure of $toplevel could not be read." "See 'nix path-info -rs $toplevel' on the host."
  fi

  if [[ $states_fd ]]; then
    IFS= read -r -d '' more <&"$states_fd" || true
    more="\"states\":{${more#,}},"
  fi
  if [[ $etc_fd ]]; then
    IFS= read -r -d '' etc <&"$etc_fd" || true
    more+=$etc,
  fi
  if [[ $after_fd ]]; then
    IFS= read -r -d '' units_after <&"$after_fd" || true
    more+="\"unitsAfter\":{${units_after#,}},"
  fi
  if [[ ${arg[paths]+set} ]]; then
    missing_to_json
    more+=$REPLY,
  fi
  if [[ ${arg[conditions]+set} || ${arg[conditionsOf]+set} ]]; then
    unmet_to_json
    more+=$REPLY,
  fi

  json_object kernel:o "$kernel" initrd:o "$initrd" kernelParams:o "$params" initInterface:o "$init" inhibitors:o "$inhibitors" nixosVersion:o "$version"
  # The two big parts come as JSON from awk already.
  answer "{\"valid\":true,\"closure\":[${closure#,}],\"units\":{${units#,}},$more${REPLY:1}"
}

# closure TOPLEVEL: ,["path",size],["path",size]...
closure() {
  nix --extra-experimental-features nix-command path-info --recursive --size -- "$1" 2>/dev/null |
    awk '{ printf ",[\"%s\",%s]", $1, $NF }'
}

# unit_files DIR: ,"name":"text"... of every unit file; of wants, aliases and masks "-> target".
unit_files() {
  [[ -d $1 ]] || return 0
  # -H and the slash: DIR itself is a link to a store path, and so is each unit file.
  {
    find -H "$1/" -mindepth 1 \( -type l -o -type f \) -printf '%y\t%Y\t%p\t%l\n'
    # A link to a whole directory of drop-ins; rare.
    find -H "$1/" -mindepth 1 -type l -xtype d -exec find -H {}/ -mindepth 1 -printf '%y\t%Y\t%p\t%l\n' \;
  } | sort -t $'\t' -k 3 |
    LC_ALL=C awk -F '\t' -v dir="$1/" "$AWK_ESCAPE"'
      function show_text(name, file,    line, text) {
        text = ""
        while ((getline line < file) > 0) text = text escape(line) "\\n"
        close(file)
        printf ",\"%s\":\"%s\"", escape(name), text
      }
      function show_link(name, target) {
        printf ",\"%s\":\"-> %s\"", escape(name), escape(target)
      }
      { name = substr($3, length(dir) + 1) }
      name ~ /\.(wants|requires|upholds)\// { show_link(name, $4); next }
      $1 == "l" && ($4 !~ /^\/nix\/store\// || $2 == "N" || $2 == "L") { show_link(name, $4); next }
      $2 == "d" { next }
      { show_text(name, $3) }'
}

main
