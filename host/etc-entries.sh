# shellcheck shell=bash disable=SC2154
# What a system puts below /etc.

# etc_entries KEY TOPLEVEL: "KEY":{"name":"target",...} of every file, never its content. Of a target in the store only the beginning of the
# hash and what follows the name; of a file that is copied its mode and owner, too. Units are told elsewhere.
etc_entries() {
  find -H "$2/etc/" -mindepth 1 -path '*/etc/systemd/system' -prune -o ! -type d -printf '%y\t%P\t%l\n' 2>/dev/null |
    LC_ALL=C awk -F '\t' -v key="$1" -v dir="$2/etc/" "$AWK_ESCAPE"'
      $1 != "l" && match($2, /\.(mode|uid|gid)$/) {
        line = ""
        getline line < (dir $2)
        close(dir $2)
        owned[substr($2, 1, RSTART - 1)] = owned[substr($2, 1, RSTART - 1)] " " line
        next
      }
      { target[$2] = match($3, /^\/nix\/store\/[^\/]*/) ? substr($3, 12, 12) substr($3, RLENGTH + 1) : $1 $3 }
      BEGIN { printf "\"%s\":{", key }
      END {
        for (name in target) {
          printf "%s\"%s\":\"%s\"", between, escape(name), escape(target[name] owned[name])
          between = ","
        }
        printf "}"
      }'
}
