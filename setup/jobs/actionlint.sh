#!/usr/bin/env bash
# Builds actionlint from the Go module pinned in setup/actionlint, into TARGET/bin.
# usage: actionlint.sh GO TARGET
set -euo pipefail

go=$1 target=$2
setup=$(cd "$(dirname "$0")/.." && pwd)
stage=$target.$$
trap 'rm -rf "$stage"' EXIT

export GOMODCACHE=$stage/modules GOCACHE=$stage/results GOFLAGS="-mod=readonly -modcacherw -buildvcs=false" CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=local
mkdir -p "$stage"
cd "$setup/actionlint"
"$go" build -v -trimpath -ldflags "-s -w" -o "$stage/bin/" github.com/rhysd/actionlint/cmd/actionlint
"$stage/bin/actionlint" -version
rm -rf "$target" "$GOMODCACHE" "$GOCACHE"
mv "$stage" "$target"
