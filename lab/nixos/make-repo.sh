#!/usr/bin/env bash
# make-repo.sh DEST: makes the git repository of the lab's system, with a tag for every revision.
# Dates, names and content are fixed, so a revision has the same SHA on every machine.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
dest=${1:?"Usage: make-repo.sh DEST (a directory that does not exist yet)"}

# In order of their dates. A new one goes to the end, so the others keep their SHAs.
# tag:parent; base and a are the main line.
revisions=(
  b:a c-503:b bad-unit:a bad-activate:a bad-check:a late-crash:a stale:a new-unit:a boot-only:a
  no-build:a no-host:a new-kernel:a inhibited:a crash-loop:a c-prod:b
  guarded:a old-state:guarded slow-activate:a secrets:a
  deaf-activate:a wedge:a needs-backup:a
  bridge:a bridge-b:bridge bridge-503:bridge-b
  deaf:a sign-in:a maintenance:a sick-dev:a bad-both:a slow-migration:a wedge-503:a moved-sshd:a short-lived:a
  edge:a mixed:a installed:bridge accounts:a
)

main() {
  if [[ -e $dest ]]; then
    echo "make-repo.sh: $dest is there already; nothing was changed. Remove it or name another." >&2
    exit 1
  fi
  export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_NOSYSTEM=1
  export GIT_AUTHOR_NAME=ChoirOS GIT_AUTHOR_EMAIL=platform@example.com
  export GIT_COMMITTER_NAME=ChoirOS GIT_COMMITTER_EMAIL=platform@example.com
  unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
  umask 022

  git init --quiet "$dest"
  cd -- "$dest"
  git symbolic-ref HEAD refs/heads/main

  copy_system
  revision base 1771578000
  copy_system
  commit a 1771664400 "hypervisor 1.4.0, two sandboxes, Caddy, desktop 0.3.0"

  local date=1771750800 entry
  for entry in "${revisions[@]}"; do
    git checkout --quiet --detach "${entry#*:}"
    revision "${entry%%:*}" "$date"
    date=$((date + 3600))
  done
  git checkout --quiet main
}

# The work tree becomes the system as it is in this directory, with the stand-in for nixpkgs and
# the modules that the project offers to real ones.
copy_system() {
  git rm --quiet -r --ignore-unmatch . 2> /dev/null || true
  cp -R -- "$here/system/." .
  mkdir -p vendor/nixos vendor/nixos-promote
  cp -R -- "$here/lib" "$here/switch-to-configuration" vendor/nixos/
  cp -R -- "$here/../../nixos/modules/." vendor/nixos-promote/
  find . -name __pycache__ -prune -exec rm -rf {} +
}

# revision TAG DATE: one patch of revisions/; its first line is the commit's subject.
revision() {
  local patch=$here/revisions/$1.patch subject
  IFS= read -r subject < "$patch"
  git apply --whitespace=nowarn -- "$patch"
  commit "$1" "$2" "$subject"
}

commit() { # TAG DATE SUBJECT
  git add --all
  GIT_AUTHOR_DATE="$2 +0000" GIT_COMMITTER_DATE="$2 +0000" \
    git commit --quiet --no-gpg-sign --no-verify -m "$3"
  git tag "$1"
}

main
