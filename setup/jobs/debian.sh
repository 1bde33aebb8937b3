#!/usr/bin/env bash
# Installs Debian packages; refreshes the package lists only where the lists at hand do not do.
# usage: debian.sh PACKAGE...
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive

install() {
  apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

install "$@" && exit
apt-get update -o DPkg::Lock::Timeout=300
install "$@"
