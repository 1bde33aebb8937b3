# shellcheck shell=bash
# Puts on record that an activation was cut off: it has neither a result nor a process.
set -euo pipefail
export LC_ALL=C

state=/var/lib/nixos-promote
roots=/nix/var/nix/gcroots/nixos-promote
store_path='^/nix/store/[0-9a-z]{32}-[0-9a-zA-Z+._?=-]+$'

main() {
  local id='' dir step='' from='' to='' mode='' booted='' record key value status_line=''
  [[ -r $state/activation ]] && read -r id <"$state/activation" || exit 0
  dir=$state/jobs/$id
  [[ $id =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ && -d $dir && ! -e $dir/result.json && ! -e $dir/exit ]] || exit 0
  # The first boot with this module is a switch: then the activation is the one that starts us.
  is_alive "$dir" && exit 0

  # From the job's own files, which it wrote before it touched anything.
  if [[ -r $dir/status.json ]] && read -r status_line <"$dir/status.json" && [[ $status_line =~ \"step\":\"([a-z-]+)\" ]]; then
    step=${BASH_REMATCH[1]}
  fi
  while IFS=$'\t' read -r key value; do
    case $key in toplevel) to=$value ;; mode) mode=$value ;; esac
  done <"$dir/argument"
  from=$(readlink -- "$roots/transaction-previous") || from=''
  booted=$(readlink -f -- /run/booted-system) || booted=''

  record=$(printf '"at":%s,"id":"%s","step":%s,"from":%s,"to":%s,"booted":%s' \
    "$EPOCHSECONDS" "$id" "$(word "$step")" "$(path "$from")" "$(path "$to")" "$(path "$booted")")
  if [[ ! -e $dir/interrupted.json ]]; then
    printf '<4>The activation %s of %s was cut off in the step %s; the host has booted %s.\n' \
      "$id" "${to:-an unknown system}" "${step:-start}" "${booted:-an unknown system}"
    replace "$dir/interrupted.json" "{$record}"
  fi
  # By the id: the power may have been cut between the two. A dry run is no transaction.
  if [[ $mode != dry-activate ]] && ! grep -qsaF "\"id\":\"$id\"" "$state/ledger.jsonl"; then
    add_line "$state/ledger.jsonl" "$(printf '{"at":%s,"id":"%s","mode":%s,"outcome":"cut-off","toplevel":%s,"previous":%s,"failedStep":%s,"after":{"bootedSystem":%s}}' \
      "$EPOCHSECONDS" "$id" "$(word "${mode:-switch}")" "$(path "$to")" "$(path "$from")" "$(word "$step")" "$(path "$booted")")"
  fi
}

# Is a process running the script of this very job? A number alone may be somebody else's after a reboot.
is_alive() {
  local pid=''
  local -a command=()
  [[ -r $1/pid ]] && read -r pid <"$1/pid" && [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 1
  { mapfile -d '' -t command <"/proc/$pid/cmdline"; } 2>/dev/null || return 1
  [[ ${command[1]-} == "$1/script" || ${command[1]-} == "$1/launch" ]]
}

word() { if [[ $1 =~ ^[a-z-]+$ ]]; then printf '"%s"' "$1"; else printf null; fi; }
path() { if [[ $1 =~ $store_path ]]; then printf '"%s"' "$1"; else printf null; fi; }

# replace FILE TEXT: the old text or the new one, whenever the power is cut.
replace() {
  printf '%s\n' "$2" >"$1.new"
  sync -- "$1.new"
  mv -fT -- "$1.new" "$1"
  sync -- "${1%/*}"
}

# add_line FILE LINE: a line that the power cut short must not swallow it.
add_line() {
  local line=$2
  if [[ -s $1 && $(tail -c 1 -- "$1" | tr '\000' .; printf .) != $'\n.' ]]; then line=$'\n'$line; fi
  printf '%s\n' "$line" >>"$1"
  sync -- "$1"
}

main
