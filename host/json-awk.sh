# shellcheck shell=bash disable=SC2034
# Functions for an awk program that writes JSON: escape(TEXT) is what stands between the quotes of a string.

# shellcheck disable=SC2016 # they are awk's dollars
readonly AWK_ESCAPE='
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
'
