# shellcheck shell=bash disable=SC2034,SC2154 # what the other parts set and use
# The Go that builds what is pinned as Go modules.

# find_go: sets go, after installing it from Debian where that can be done.
find_go() {
  go=$(type -P go) && return
  can_install || return 1
  step "Installing Go from Debian" "1 min" golang "$root/setup/jobs/debian.sh" golang-go ca-certificates || return 1
  go=$(type -P go)
}
