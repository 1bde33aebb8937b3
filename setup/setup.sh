#!/usr/bin/env bash
# Makes this machine ready: Node.js, the Pulumi CLI with its Node language host, npm packages, actionlint, Debian packages.
# Takes what is there, gets what is not, and is quick when there is nothing to do. Safe to run again, and twice at once.
set -euo pipefail

# shellcheck source=setup/lib/prepare.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/prepare.sh"

usage() {
  cat <<'TEXT'
usage: setup/setup.sh [--for PURPOSE] [--quiet]

  --for program   to run the Pulumi program against hosts that exist
  --for check     that, and to run the tests that need no lab
  --for report    that, and a browser to test the page of a report and to take pictures of it
  --for lab       as for check, and the lab, demo and all tests; needs root on Debian 12 or 13 (the default)
  --quiet         say nothing where there is nothing to do

Exit code: 0 ready, 2 wrong usage, 3 something needed for the purpose is missing (said how to get it).
Cache: ${XDG_CACHE_HOME:-~/.cache}/nixos-promote, with a log of every step in logs/.
TEXT
}

main() {
  local purpose=lab quiet=""
  while (($#)); do
    case $1 in
      --for) purpose=${2:-} && shift ;;
      --quiet) quiet=yes ;;
      --help | -h) usage && return ;;
      *) purpose="" ;;
    esac
    shift || true
    if [[ ! $purpose =~ ^(program|check|report|lab)$ ]]; then
      usage >&2
      exit 2
    fi
  done
  prepare "$purpose"
  [[ $quiet ]] || say "Ready for '$purpose'."
}

main "$@"
