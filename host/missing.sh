# needs: json.sh lib.sh roots.sh missing-paths.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Which of these paths does the store of this host not have? And how many bytes are free for them?

main() {
  missing_to_json
  answer "{$REPLY}"
}

main
