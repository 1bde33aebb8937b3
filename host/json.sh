# shellcheck shell=bash disable=SC2034
# Writes JSON, with builtins only. Functions leave what they made in REPLY.

# json_string TEXT: a JSON string; bytes that are not UTF-8 become U+FFFD.
json_string() {
  local text=$1 out='' chunk offset=0 i code
  # Small chunks, because ${text//a/b} takes quadratic time.
  while ((offset < ${#text})); do
    chunk=${text:offset:256}
    # Never cut a character of several bytes in two.
    if ((offset + 256 < ${#text})); then
      case $chunk in
        *[$'\xc0'-$'\xf7']) chunk=${chunk:0:255} ;;
        *[$'\xe0'-$'\xf7'][$'\x80'-$'\xbf']) chunk=${chunk:0:254} ;;
        *[$'\xf0'-$'\xf7'][$'\x80'-$'\xbf'][$'\x80'-$'\xbf']) chunk=${chunk:0:253} ;;
      esac
    fi
    offset=$((offset + ${#chunk}))
    if [[ $chunk == *[$'\x80'-$'\xff']* ]]; then
      utf8_repair "$chunk"
      chunk=$REPLY
    fi
    if [[ $chunk == *[$'\x01'-$'\x1f\x7f\\"']* ]]; then
      chunk=${chunk//\\/\\\\}
      chunk=${chunk//\"/\\\"}
      chunk=${chunk//$'\n'/\\n}
      chunk=${chunk//$'\t'/\\t}
      chunk=${chunk//$'\r'/\\r}
      if [[ $chunk == *[$'\x01'-$'\x1f\x7f']* ]]; then
        for i in {1..31} 127; do
          printf -v code '\\x%02x' "$i"
          printf -v code %b "$code"
          if [[ $chunk == *"$code"* ]]; then
            printf -v REPLY '\\u%04x' "$i"
            chunk=${chunk//"$code"/"$REPLY"}
          fi
        done
      fi
    fi
    out+=$chunk
  done
  REPLY="\"$out\""
}

# utf8_repair TEXT: TEXT with every byte that is no part of a UTF-8 character replaced by U+FFFD.
utf8_repair() {
  local rest=$1 out='' head
  local more=[$'\x80'-$'\xbf']
  while [[ $rest == *[$'\x80'-$'\xff']* ]]; do
    head=${rest%%[$'\x80'-$'\xff']*}
    out+=$head
    rest=${rest:${#head}}
    # shellcheck disable=SC2254 # the variable is a pattern
    case $rest in
      [$'\xc2'-$'\xdf']$more*) out+=${rest:0:2} rest=${rest:2} ;;
      $'\xe0'[$'\xa0'-$'\xbf']$more* | $'\xed'[$'\x80'-$'\x9f']$more* | [$'\xe1'-$'\xec\xee\xef']$more$more*)
        out+=${rest:0:3} rest=${rest:3}
        ;;
      $'\xf0'[$'\x90'-$'\xbf']$more$more* | [$'\xf1'-$'\xf3']$more$more$more* | $'\xf4'[$'\x80'-$'\x8f']$more$more*)
        out+=${rest:0:4} rest=${rest:4}
        ;;
      *) out+=$'\xef\xbf\xbd' rest=${rest:1} ;;
    esac
  done
  REPLY=$out$rest
}

# json_object [NAME:KIND VALUE]...: KIND s string, o string or null if empty, j JSON as it is.
# NAME is ours and plain; names that users choose go through json_member.
json_object() {
  local out=''
  while (($# > 0)); do
    case ${1##*:} in
      s) json_string "$2" ;;
      o) if [[ $2 ]]; then json_string "$2"; else REPLY=null; fi ;;
      j) REPLY=$2 ;;
    esac
    out+=",\"${1%:*}\":$REPLY"
    shift 2
  done
  REPLY="{${out:1}}"
}

# json_member NAME JSON: `,"NAME":JSON`, to be collected and passed on as ${all:1} in braces.
json_member() {
  local value=$2
  json_string "$1"
  REPLY=",$REPLY:$value"
}

# json_array [TEXT]...: an array of strings.
json_array() {
  local out='' text
  for text; do
    json_string "$text"
    out+=,$REPLY
  done
  REPLY="[${out:1}]"
}
