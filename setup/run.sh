#!/usr/bin/env bash
# Runs a program of this project with all that it needs: sets the machine up first, in silence if it is already.
# shellcheck disable=SC2154 # root, cache and tool_path come from lib/
set -euo pipefail

# shellcheck source=setup/lib/prepare.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/prepare.sh"

usage() {
  cat <<'TEXT'
usage: setup/run.sh [--for PURPOSE] FILE.ts [ARGUMENT...]      run a program with Node.js
       setup/run.sh [--for PURPOSE] --bin NAME [ARGUMENT...]   run a command of node_modules/.bin
       setup/run.sh [--for PURPOSE] --env                      print lines for a shell to evaluate

PURPOSE is program, check, report or lab (the default); see setup/setup.sh --help.
TEXT
}

wrong_usage() {
  [[ -z ${1:-} ]] || say "$1"
  usage >&2
  exit 2
}

main() {
  local purpose=lab
  if [[ ${1:-} == --for ]]; then
    purpose=${2:-}
    [[ $purpose =~ ^(program|check|report|lab)$ ]] || wrong_usage "There is no purpose '$purpose'."
    shift 2
  fi
  case ${1:-} in
    --help | -h) usage ;;
    --env) ready "$purpose" && print_environment ;;
    --bin) (($# >= 2)) || wrong_usage "--bin needs a name." && ready "$purpose" && run_command "${@:2}" ;;
    "" | -*) wrong_usage ;;
    *) ready "$purpose" && run_file "$@" ;;
  esac
}

ready() {
  prepare "$1"
  export PATH NODE_COMPILE_CACHE=$cache/node-compile-cache PULUMI_SKIP_UPDATE_CHECK=true
}

# A relative FILE is one of this project, whatever directory the caller is in.
run_file() {
  local file=$1
  [[ $file == /* ]] || file=$root/$file
  [[ -f $file ]] || wrong_usage "There is no file $file."
  exec node --disable-warning=ExperimentalWarning "$file" "${@:2}"
}

run_command() {
  local command=$root/node_modules/.bin/$1
  [[ $1 != */* && -x $command ]] || wrong_usage "There is no command '$1' in node_modules/.bin."
  exec "$command" "${@:2}"
}

print_environment() {
  # shellcheck disable=SC2016 # $PATH is for the shell that evaluates this
  printf 'export PATH=%q"$PATH"\n' "$tool_path"
  printf 'export NODE_COMPILE_CACHE=%q\n' "$NODE_COMPILE_CACHE"
  printf 'export PULUMI_SKIP_UPDATE_CHECK=true\n'
}

main "$@"
