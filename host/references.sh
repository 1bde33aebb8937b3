# needs: json.sh lib.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# How large each of these paths is, and to which of the others it refers, by their places: [[bytes, [place, ...]], ...]. Reads only.

main() {
  local -a paths=()
  local i pieces
  arg_list paths paths
  for i in "${!paths[@]}"; do require_store_path "paths.$i" "${paths[i]}"; done
  pieces=$(registrations "${paths[@]}" | pieces) ||
    fail references-failed "What the paths refer to could not be read from the store of this host." "Is each of them valid there? See 'nix-store --check-validity'."
  answer "{\"pieces\":[$pieces]}"
}

# registrations PATH...: of each path hash, size, deriver, count of references and the references, one a line.
registrations() {
  local i
  # The kernel bounds the length of a command line.
  for ((i = 1; i <= $#; i += 10000)); do nix-store --dump-db -- "${@:i:10000}"; done
}

pieces() {
  LC_ALL=C awk '
    BEGIN { count = 0 }
    {
      place[$0] = count
      getline
      getline bytes[count]
      getline
      getline many
      for (i = 0; i < many; i++) {
        getline
        if (length($0)) refers[count] = refers[count] " " $0
      }
      count++
    }
    END {
      for (i = 0; i < count; i++) {
        many = split(refers[i], path, " ")
        out = ""
        for (j = 1; j <= many; j++) if (path[j] in place && place[path[j]] != i) out = out "," place[path[j]]
        printf "%s[%s,[%s]]", (i ? "," : ""), bytes[i], substr(out, 2)
      }
    }'
}

main
