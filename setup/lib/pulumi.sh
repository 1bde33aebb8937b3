# shellcheck shell=bash disable=SC2154 # what the other parts set
# The Pulumi CLI with its Node language host: from PATH, else built from the pinned Go modules.

pulumi_wanted=3.200

pulumi_ready() {
  local bin
  pulumi_on_path && return
  pulumi_key
  bin=$cache/toolchain-$pulumi_key/bin
  [[ -x $bin/pulumi && -x $bin/pulumi-language-nodejs ]] || return 1
  tool_path=$bin:$tool_path
}

pulumi_provide() {
  local go
  if ! find_go; then
    problem "Pulumi $pulumi_wanted or newer with pulumi-language-nodejs is missing, and so is Go, which could build it. Either install Pulumi (https://www.pulumi.com/docs/install/), or Go (https://go.dev/dl/; sudo apt-get install golang-go)."
    return
  fi
  pulumi_key
  step "Building the Pulumi CLI and its Node language host from Go modules, once per machine" "5 min on two cores, 4 GB of disk while it runs" \
    pulumi "$root/setup/jobs/pulumi.sh" "$go" "$cache/toolchain-$pulumi_key" "$cache/building" || return 0
  pulumi_ready || problem "The built Pulumi CLI is not where it should be, in $cache/toolchain-$pulumi_key. Delete that directory and run setup again."
}

pulumi_on_path() {
  local pulumi version
  pulumi=$(type -P pulumi) || return 1
  [[ -x ${pulumi%/*}/pulumi-language-nodejs ]] || type -P pulumi-language-nodejs >/dev/null || return 1
  pulumi_version "$pulumi"
  at_least "$pulumi_wanted" "$version"
}

# `pulumi version` takes half a second: the answer is kept for as long as the file stays the same.
pulumi_version() {
  local memo=$cache/pulumi-on-path file known=""
  file=$(ls -lnL "$1")
  [[ -r $memo ]] && { read -r known && read -r version; } <"$memo" && [[ $known == "$file" ]] && return
  version=$(PULUMI_SKIP_UPDATE_CHECK=true "$1" version 2>/dev/null) || version=""
  printf '%s\n%s\n' "$file" "${version:-none}" 2>/dev/null >"$memo.$$" && mv "$memo.$$" "$memo"
}

# What is built and how: another pin, recipe or machine type makes another toolchain.
pulumi_key() {
  pulumi_key=$({
    uname -sm
    cat "$root"/setup/pulumi/* "$root"/setup/language-nodejs/* "$root/setup/jobs/pulumi.sh"
  } | digest)
}
