# shellcheck shell=bash disable=SC2154 # what the other parts set
# The project's npm packages: node_modules made from this very package-lock.json.

modules_ready() {
  local stamp=$root/node_modules/.made-from key
  modules_key
  [[ -r $stamp ]] && read -r key <"$stamp" && [[ $key == "$modules_key" ]] && return
  # Somebody's own `npm ci` or `npm install` is as good as ours if it installed these versions.
  [[ -r $root/node_modules/.package-lock.json ]] || return 1
  PATH=$tool_path$PATH node --disable-warning=ExperimentalWarning "$root/setup/installed.ts" 2>/dev/null || return 1
  printf '%s\n' "$modules_key" >"$stamp" 2>/dev/null || true
}

modules_provide() {
  if ! PATH=$tool_path$PATH runs_typescript node; then
    return # the missing Node.js has been told already
  fi
  if ! type -P npm >/dev/null; then
    problem "npm is missing. It comes with Node.js from https://nodejs.org; on Debian: sudo apt-get install npm"
    return
  fi
  modules_key
  step "Installing the npm packages of package-lock.json" "20 s" npm-ci "$root/setup/jobs/modules.sh" "$modules_key" || return 0
}

modules_key() { modules_key=$(digest <"$root/package-lock.json"); }
