# shellcheck shell=bash disable=SC2034
# What of a system takes effect only when it is booted.

# changed_images BOOTED SYSTEM: REPLY is "kernel", "initrd", "kernel modules", as far as they differ.
changed_images() {
  local name i=0 out=''
  local -a links=() targets=() names=()
  for name in kernel initrd kernel-modules; do
    if [[ -e $1/$name && -e $2/$name ]]; then
      names+=("$name")
      links+=("$1/$name" "$2/$name")
    fi
  done
  if ((${#links[@]})); then mapfile -t targets < <(readlink -f -- "${links[@]}"); fi
  for name in "${names[@]}"; do
    if [[ ${targets[i]-} != "${targets[i + 1]-}" ]]; then out+=", ${name/-/ }"; fi
    i=$((i + 2))
  done
  REPLY=${out#, }
}
