# shellcheck shell=bash disable=SC2154 # what the other parts set
# actionlint, for the checks: from PATH, else built from the pinned Go module.

actionlint_ready() {
  local bin
  [[ $purpose == check ]] || return 0
  type -P actionlint >/dev/null && return
  actionlint_key
  bin=$cache/actionlint-$actionlint_key/bin
  [[ -x $bin/actionlint ]] || return 1
  tool_path=$bin:$tool_path
}

actionlint_provide() {
  local go
  if ! find_go; then
    problem "actionlint is missing, and so is Go, which could build it. Install either: https://github.com/rhysd/actionlint, or https://go.dev/dl/ (sudo apt-get install golang-go)."
    return
  fi
  actionlint_key
  step "Building actionlint from Go modules, once per machine" "30 s" \
    actionlint "$root/setup/jobs/actionlint.sh" "$go" "$cache/actionlint-$actionlint_key" || return 0
  actionlint_ready || problem "The built actionlint is not where it should be, in $cache/actionlint-$actionlint_key. Delete that directory and run setup again."
}

actionlint_key() {
  actionlint_key=$({
    uname -sm
    cat "$root"/setup/actionlint/* "$root/setup/jobs/actionlint.sh"
  } | digest)
}
