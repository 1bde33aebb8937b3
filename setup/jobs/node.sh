#!/usr/bin/env bash
# Fetches the Node.js that PIN/package-lock.json names into TARGET. It is prebuilt and has no install script.
# usage: node.sh PIN TARGET
set -euo pipefail

pin=$1 target=$2
stage=$target.$$
trap 'rm -rf "$stage"' EXIT

mkdir -p "$stage"
cp "$pin/package.json" "$pin/package-lock.json" "$stage"
npm ci --prefix "$stage" --ignore-scripts --no-audit --no-fund
"$stage/node_modules/.bin/node" --version
rm -rf "$target"
mv "$stage" "$target"
