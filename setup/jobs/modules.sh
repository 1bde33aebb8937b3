#!/usr/bin/env bash
# Makes node_modules from package-lock.json and notes what it was made from.
# usage: modules.sh KEY
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
# Packages run no code of theirs here: none of them needs its install script.
npm ci --prefix "$root" --ignore-scripts --include=dev --include=optional --no-audit --no-fund
printf '%s\n' "$1" >"$root/node_modules/.made-from"
