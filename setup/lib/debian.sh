# shellcheck shell=bash disable=SC2154 # what the other parts set
# What comes from the operating system: a few commands for every purpose, Debian packages and root for the lab.

debian_ready() {
  find_absent
  ((${#absent[@]} == 0)) || return 1
  [[ $purpose != lab ]] || is_root
}

debian_provide() {
  if [[ $purpose == lab ]] && ! is_root; then
    problem "The lab needs root, because its hosts are namespaces and mounts of this machine: run the same command with sudo. Without root there is: npm run check"
  fi
  ((${#absent[@]})) || return 0
  if can_install; then
    step "Installing from Debian: ${absent[*]}" "1 min" debian "$root/setup/jobs/debian.sh" "${absent[@]}" || return 0
    return
  fi
  if has_apt; then
    problem "These Debian packages are missing: ${absent[*]}. Get them with: sudo apt-get install --no-install-recommends ${absent[*]}"
  elif [[ $purpose == lab ]]; then
    problem "The lab is made for Debian 12 or 13, and this is something else. Run it in a Debian machine or container; without it there is: npm run check"
  else
    problem "These commands are missing, named by the Debian packages that hold them: ${absent[*]}. Install them with your package manager."
  fi
}

# find_absent: sets absent to the names of the Debian packages that are needed and not there.
find_absent() {
  absent=()
  type -P git >/dev/null || absent+=(git)
  type -P ssh >/dev/null || absent+=(openssh-client)
  [[ $purpose == program ]] || type -P shellcheck >/dev/null || absent+=(shellcheck)
  [[ $purpose != report ]] || find_browser || absent+=(chromium-headless-shell)
  [[ $purpose != lab ]] || find_absent_lab_packages "$root/lab/packages.txt"
}

# Any Chromium does; of Debian's the one without a display is the smallest.
find_browser() { type -P chromium-headless-shell chromium google-chrome >/dev/null; }

find_absent_lab_packages() {
  local name state wanted=()
  [[ -r $1 ]] || return 0
  while read -r name _ || [[ -n $name ]]; do
    if [[ $name =~ ^[a-z0-9][a-z0-9.+-]+$ ]]; then wanted+=("$name"); fi
  done <"$1"
  ((${#wanted[@]})) || return 0
  state=$'\n'$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)$'\n'
  for name in "${wanted[@]}"; do
    [[ $state == *$'\n'"installed $name"$'\n'* || " ${absent[*]-} " == *" $name "* ]] || absent+=("$name")
  done
}
