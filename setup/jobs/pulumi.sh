#!/usr/bin/env bash
# Builds the Pulumi CLI and its Node language host from the Go modules pinned in setup/, into TARGET/bin and TARGET/libexec.
# Modules and build results stay in SCRATCH until the build has succeeded, so that a second try continues the first.
# usage: pulumi.sh GO TARGET SCRATCH
set -euo pipefail

go=$1 target=$2 scratch=$3
setup=$(cd "$(dirname "$0")/.." && pwd)
wanted=$(sed -n 's/^go //p' "$setup/pulumi/go.mod")
stage=$target.$$
trap 'rm -rf "$stage"' EXIT

export GOMODCACHE=$scratch/modules GOCACHE=$scratch/results GOFLAGS="-mod=readonly -modcacherw -buildvcs=false" CGO_ENABLED=0 GOWORK=off
mkdir -p "$GOMODCACHE" "$GOCACHE" "$stage/bin" "$stage/libexec"

main() {
  use_go
  build "$setup/pulumi" github.com/pulumi/pulumi/pkg/v3 cmd/pulumi bin
  build "$setup/language-nodejs" github.com/pulumi/pulumi/sdk/v3 nodejs/cmd/pulumi-language-nodejs libexec
  install -m 755 "$setup/language-nodejs/options.sh" "$stage/bin/pulumi-language-nodejs"
  "$stage/bin/pulumi" version
  rm -rf "$target"
  mv "$stage" "$target"
  chmod -R u+w "$scratch"
  rm -rf "$scratch"
}

# An older Go gets the one it needs as a module: Go 1.21 and later do so by themselves,
# an earlier one (Debian 12) can download it, and only has to be told what to do with it.
use_go() {
  local minor
  cd "$scratch" # outside every module, so that nothing but PATH decides
  minor=$(GOTOOLCHAIN=local "$go" env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  if ((minor >= 21)); then
    if older "$minor"; then export GOTOOLCHAIN=go$wanted; else export GOTOOLCHAIN=local; fi
  else
    download_go
    export GOTOOLCHAIN=local
  fi
  "$go" version
}

older() {
  local rest=${wanted#1.}
  (($1 <= ${rest%%.*}))
}

download_go() {
  local module directory
  module=golang.org/toolchain@v0.0.1-go$wanted.$("$go" env GOOS)-$("$go" env GOARCH)
  echo "downloading $module"
  GOFLAGS=-modcacherw "$go" mod download "$module"
  directory=$GOMODCACHE/$module
  # A module cannot carry a nested go.mod nor an executable bit: both are put back.
  find "$directory" -name _go.mod -execdir mv {} go.mod \;
  chmod -R u+x "$directory/bin" "$directory/pkg/tool"
  go=$directory/bin/go
}

# build DIRECTORY MODULE PACKAGE INTO: the version goes into the binary, as in Pulumi's own releases.
build() {
  local version
  cd "$1"
  version=$("$go" list -m -f '{{.Version}}' "$2")
  "$go" build -v -trimpath -o "$stage/$4/" \
    -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$version" "$2/$3"
}

main
