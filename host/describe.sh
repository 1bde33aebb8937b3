# needs: json.sh lib.sh roots.sh missing-paths.sh unit-states.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What a system would do to a host: its units as text, kernel, inhibitors and, if asked for, its closure with sizes. And of the
# host itself the state of its units, and which of many paths it does not have.

main() {
  local toplevel units_fd closure_fd='' states_fd='' units='' closure='' version='' params='' init='' inhibitors='' kernel='' initrd='' more=''
  arg_get toplevel && toplevel=$REPLY
  require_store_path toplevel "$toplevel"
  exec {units_fd}< <(unit_files "$toplevel/etc/systemd/system")
  if [[ ${arg[closure]:-false} == true ]]; then exec {closure_fd}< <(closure "$toplevel"); fi
  if [[ ${arg[states]:-false} == true ]]; then exec {states_fd}< <(unit_states); fi
  if [[ $closure_fd ]]; then
    # Empty for a path that is not valid, which saves the question.
    IFS= read -r -d '' closure <&"$closure_fd" || true
  fi
  if [[ ! $closure && $(print_invalid "$toplevel") ]]; then
    answer '{"valid":false,"nixosVersion":null,"closure":[],"units":{},"kernel":null,"initrd":null,"kernelParams":null,"initInterface":null,"inhibitors":null}'
    return
  fi
  read_line "$toplevel/nixos-version" && version=$REPLY
  read_line "$toplevel/kernel-params" && params=$REPLY
  read_line "$toplevel/init-interface-version" && init=$REPLY
  if [[ -r $toplevel/switch-inhibitors ]]; then inhibitors=$(<"$toplevel/switch-inhibitors"); fi
  if [[ -e $toplevel/kernel ]]; then kernel=$(readlink -f -- "$toplevel/kernel"); fi
  if [[ -e $toplevel/initrd ]]; then initrd=$(readlink -f -- "$toplevel/initrd"); fi
  IFS= read -r -d '' units <&"$units_fd" || true
  if [[ $closure_fd ]]; then
    [[ $closure ]] || fail describe-failed "The closure of $toplevel could not be read." "See 'nix path-info -rs $toplevel' on the host."
  fi

  if [[ $states_fd ]]; then
    IFS= read -r -d '' more <&"$states_fd" || true
    more="\"states\":{${more#,}},"
  fi
  if [[ ${arg[paths]+set} ]]; then
    missing_to_json
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
    LC_ALL=C awk -F '\t' -v dir="$1/" '
      function show_text(name, file,    line, text) {
        text = ""
        while ((getline line < file) > 0) text = text escape(line) "\\n"
        close(file)
        printf ",\"%s\":\"%s\"", escape(name), text
      }
      function show_link(name, target) {
        printf ",\"%s\":\"-> %s\"", escape(name), escape(target)
      }
      function escape(text) {
        if (index(text, "\\")) text = double_backslashes(text)
        gsub(/"/, "\\\"", text)
        gsub(/\t/, "\\t", text)
        gsub(/\r/, "\\r", text)
        gsub(/[\001-\010\013\014\016-\037]/, "?", text)
        return text ~ /[\200-\377]/ ? utf8(text) : text
      }
      # Not gsub: what it makes of two backslashes differs between awks.
      function double_backslashes(text,    parts, count, i, out) {
        count = split(text, parts, /\\/)
        out = parts[1]
        for (i = 2; i <= count; i++) out = out "\\\\" parts[i]
        return out
      }
      # Bytes that are no part of a UTF-8 character become U+FFFD.
      function utf8(rest,    out) {
        out = ""
        while (match(rest, /[\200-\377]/)) {
          out = out substr(rest, 1, RSTART - 1)
          rest = substr(rest, RSTART)
          if (match(rest, /^[\302-\337][\200-\277]/) ||
              match(rest, /^(\340[\240-\277]|[\341-\354\356\357][\200-\277]|\355[\200-\237])[\200-\277]/) ||
              match(rest, /^(\360[\220-\277]|[\361-\363][\200-\277]|\364[\200-\217])[\200-\277][\200-\277]/)) {
            out = out substr(rest, 1, RLENGTH)
            rest = substr(rest, RLENGTH + 1)
          } else {
            out = out "\357\277\275"
            rest = substr(rest, 2)
          }
        }
        return out rest
      }
      { name = substr($3, length(dir) + 1) }
      name ~ /\.(wants|requires|upholds)\// { show_link(name, $4); next }
      $1 == "l" && ($4 !~ /^\/nix\/store\// || $2 == "N" || $2 == "L") { show_link(name, $4); next }
      $2 == "d" { next }
      { show_text(name, $3) }'
}

main
