# shellcheck shell=bash disable=SC2154 # what the other parts set
# Node.js that runs TypeScript without a flag: the one on PATH, else the pinned npm package of it.

node_ready() {
  local pin bin
  runs_typescript node && return
  pin=$(node_pin) || return 1
  bin=$cache/node-$(digest <"$pin/package-lock.json")/node_modules/.bin
  [[ -x $bin/node ]] || return 1
  tool_path=$bin:$tool_path
}

node_provide() {
  local found pin version target
  found=$(node --version 2>/dev/null) || found=none
  if ! pin=$(node_pin); then
    problem "Node.js 22.18 or newer is missing (found: $found). Get it from https://nodejs.org or your package manager."
    return
  fi
  if ! type -P npm >/dev/null; then
    if ! can_install; then
      problem "Node.js 22.18 or newer is missing (found: $found), and so is npm, which could fetch it. Install Node.js from https://nodejs.org, or: sudo apt-get install npm"
      return
    fi
    step "Installing npm from Debian" "1 min" npm "$root/setup/jobs/debian.sh" npm ca-certificates || return 0
  fi
  version=$(sed -n 's/.*"node-linux-[a-z0-9]*": "\(.*\)".*/\1/p' "$pin/package.json")
  target=$cache/node-$(digest <"$pin/package-lock.json")
  step "Fetching Node.js $version from npm" "10 s" node "$root/setup/jobs/node.sh" "$pin" "$target" || return 0
  node_ready || problem "The fetched Node.js is not where it should be, in $target. Delete that directory and run setup again."
}

# Type stripping without a flag came with 22.18 and, in the next line of releases, with 23.6.
runs_typescript() {
  local version
  version=$("$1" --version 2>/dev/null) || return 1
  at_least 22.18 "$version" || return 1
  [[ $version != v23.[0-5].* ]]
}

# node_pin: the directory that pins a prebuilt Node.js for this kind of machine, if there is one.
node_pin() {
  case $(uname -sm) in
    "Linux x86_64") printf '%s\n' "$root/setup/node/x64" ;;
    "Linux aarch64") printf '%s\n' "$root/setup/node/arm64" ;;
    *) return 1 ;;
  esac
}
