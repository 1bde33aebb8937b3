# shellcheck shell=bash disable=SC2154 # what the other parts set
# What comes from the operating system: a few commands for every purpose, Debian packages and root for the lab.

debian_ready() {
  wanted_packages
  [[ -z $absent_commands && -z $absent_packages ]] || return 1
  [[ $purpose != lab ]] || is_root
}

debian_provide() {
  local absent="$absent_commands $absent_packages"
  if [[ $purpose == lab ]] && ! is_root; then
    problem "The lab needs root, because its hosts are namespaces and mounts of this machine: run the same command with sudo. Without root there is: npm run check"
  fi
  [[ $absent != " " ]] || return 0
  if can_install; then
    # shellcheck disable=SC2086 # a list of package names, each a word
    step "Installing from Debian:$absent" "30 s" debian "$root/setup/jobs/debian.sh" $absent || return 0
    return
  fi
  if has_apt; then
    problem "These Debian packages are missing:$absent. Get them with: sudo apt-get install --no-install-recommends$absent"
  elif [[ $purpose == lab ]]; then
    problem "The lab is made for Debian 12 or 13, and this is something else. Run it in a Debian machine or container; without it there is: npm run check"
  else
    problem "These commands are missing, named by the Debian packages that hold them:$absent. Install them with your package manager."
  fi
}

# wanted_packages: sets absent_commands and absent_packages to lists of Debian package names.
wanted_packages() {
  local list=$root/lab/packages.txt state name wanted=()
  absent_commands=""
  absent_packages=""
  type -P git >/dev/null || absent_commands+=" git"
  type -P ssh >/dev/null || absent_commands+=" openssh-client"
  [[ $purpose == program ]] || type -P shellcheck >/dev/null || absent_commands+=" shellcheck"
  [[ $purpose == lab && -r $list ]] || return 0
  while read -r name _ || [[ -n $name ]]; do
    if [[ $name =~ ^[a-z0-9][a-z0-9.+-]+$ ]]; then wanted+=("$name"); fi
  done <"$list"
  ((${#wanted[@]})) || return 0
  state=$'\n'$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)$'\n'
  for name in "${wanted[@]}"; do
    [[ $state == *$'\n'"installed $name"$'\n'* ]] || absent_packages+=" $name"
  done
}
