# shellcheck shell=bash disable=SC2154
# The users and groups that a system declares.

# accounts TOPLEVEL KEY: "accounts":{"by":"...","users":{NAME:{...}},"groups":{NAME:{...}}}, or null if the system does not say them
# in a way that is known. Of what is not known to be public, such as a password or its hash, only a digest under KEY is told: it says
# whether two systems differ, to those alone who have asked both.
accounts() {
  # It says itself how the users come to be: by a script, by userborn, or by systemd-sysusers.
  LC_ALL=C TOPLEVEL=$1 KEY=$2 awk "$AWK_ESCAPE"'
    BEGIN {
      PUBLIC = "^(uid|gid|group|members|home|shell|description|expires|isSystemUser|isNormal|createHome|homeMode|" \
        "autoSubUidGidRange|subUidRanges|subGidRanges|hashedPasswordFile)$"
      # By stdin, so that nothing of it is an argument.
      DIGEST = "sha256sum | { read -r digest _; printf %s \"$digest\"; }"
      top = ENVIRON["TOPLEVEL"]
      printf "\"accounts\":"
      if ((spec = path_in(top "/activate", "users-groups")) != "") read_spec("users-groups", spec)
      else if ((spec = path_in(top "/etc/systemd/system/userborn.service", "userborn")) != "") read_spec("userborn", spec)
      else read_sysusers(top "/etc/sysusers.d/00-nixos.conf")
    }
    function path_in(file, name,    line, found) {
      while (found == "" && (getline line < file) > 0)
        if (match(line, "/nix/store/[0-9a-z]+-" name "\\.json")) found = substr(line, RSTART, RLENGTH)
      close(file)
      return found
    }

    # JSON, cut at its quotes: what is between two of them is a string, unless the second was escaped.
    function read_spec(by, file,    piece, text, inside, slashes) {
      RS = "\""
      printf "{\"by\":\"%s\"", by
      while ((getline piece < file) > 0) {
        if (!inside) { structure(piece); inside = 1; text = ""; continue }
        text = text piece
        slashes = match(piece, /\\+$/) ? RLENGTH : 0
        if (slashes % 2) { text = text "\""; continue }
        string(text)
        inside = 0
      }
      printf "}"
    }
    function structure(text,    i, c) {
      for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c ~ /[ \t\n]/) continue
        if (depth == 3 && (c == "," || c == "}")) member()
        if (depth == 3 && c == ":" && value == "" && key == "") { key = last; last = ""; continue }
        if (depth > 3 || (depth == 3 && key != "" && c != "," && c != "}")) value = value c
        if (c == "{" || c == "[") {
          if (depth == 1) open_section(last)
          depth++
        } else if (c == "}" || c == "]") {
          depth--
          if (depth == 2 && c == "}") entry()
          if (depth == 1) close_section()
        }
      }
    }
    function string(text) {
      if (depth > 3 || (depth == 3 && key != "")) value = value "\"" text "\""
      else last = text
    }
    function open_section(name) {
      section = name
      printf ",\"%s\":{", name
      between = ""
    }
    function close_section() { if (section != "") printf "}"; section = "" }
    function member() {
      if (key == "name") name = value
      else if (key != "" && value !~ /^(null|false|\[\]|"")$/) {
        if (key ~ PUBLIC) shown = shown ",\"" key "\":" value
        else hidden = hidden key "=" value "\n"
      }
      key = value = ""
    }
    function entry() {
      if (name == "") name = "\"?\""
      printf "%s%s:{%s", between, name, substr(shown, 2)
      if (hidden != "") {
        printf "%s\"hidden\":\"", (shown == "" ? "" : ",")
        fflush()
        printf "%s\n%s\n%s", ENVIRON["KEY"], name, hidden | DIGEST
        close(DIGEST)
        printf "\""
      }
      printf "}"
      between = ","
      name = shown = hidden = ""
    }

    function read_sysusers(file,    line, word, users, groups, member_of, id, known) {
      while ((getline line < file) > 0) {
        known = 1
        split(line, word, /[ \t]+/)
        if (word[1] ~ /^u!?$/) {
          id = word[2]
          sub(/^u!?[ \t]+[^ \t]+[ \t]*/, "", line)
          users = users ",\"" escape(id) "\":{\"declaration\":\"" escape(line) "\"}"
        } else if (word[1] == "g") group[word[2]] = word[3]
        else if (word[1] == "m") member_of[word[3]] = member_of[word[3]] " " word[2]
      }
      close(file)
      if (!known) { printf "null"; return }
      for (id in group)
        groups = groups ",\"" escape(id) "\":{\"gid\":\"" escape(group[id]) "\",\"members\":\"" escape(member_of[id]) "\"}"
      printf "{\"by\":\"sysusers\",\"users\":{%s},\"groups\":{%s}}", substr(users, 2), substr(groups, 2)
    }
  '
}
