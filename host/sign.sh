# needs: json.sh lib.sh
# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Signs a text with an SSH key of this host, which stays here.

main() {
  local key text signature said
  arg_get keyFile && key=$REPLY
  arg_get text && text=$REPLY
  said=$(mktemp)
  # An empty passphrase, so that nobody is asked for one.
  signature=$(timeout 20 ssh-keygen -q -Y sign -P '' -n nixos-promote-release -f "$key" < <(printf %s "$text") 2>"$said") || {
    REPLY=$(<"$said")
    rm -f -- "$said"
    last_bytes "$REPLY" 300
    fail manifest-signing-failed "The manifest could not be signed: ${REPLY//$'\n'/ }." "Is [release.manifestKeyFile] a private key of ssh-keygen without a passphrase?"
  }
  rm -f -- "$said"
  json_object signature:s "$signature"$'\n'
  answer "$REPLY"
}

main
