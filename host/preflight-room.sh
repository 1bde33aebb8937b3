# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Is there room on the disks and in memory for an activation?

readonly NEEDED_INODES=1000

# The profile, its gc roots and the data base are on /nix, logs and our records on /var, what the activation script makes on /,
# and in /run the lists of the switch. What does not exist needs no room.
has_room() {
  local margin=$((${arg[preflight.diskMarginMiB]:-64} * 1048576)) free inodes all_inodes target path need what short=''
  local -A seen=()
  local -a paths=()
  for path in / /nix /nix/store /nix/var/nix /var "$STATE" /run /boot /efi /boot/efi; do
    if [[ -d $path ]]; then paths+=("$path"); fi
  done
  while read -r free inodes all_inodes target; do
    [[ $free =~ ^[0-9]+$ && ! ${seen[$target]-} ]] || continue
    seen[$target]=yes need=$margin what=''
    case $target in
      /run) need=1048576 ;;
      /boot | /efi | /boot/efi)
        boot_needs "$target"
        need=$REPLY what=' for its kernel and initrd'
        ;;
    esac
    if ((free < need)); then
      short+="; only $((free / 1048576)) MiB are free on $target, $(((need + 1048575) / 1048576)) MiB are needed$what"
    elif [[ $all_inodes =~ ^[1-9] ]] && ((inodes < NEEDED_INODES)); then
      short+="; only $inodes inodes are free on $target, $NEEDED_INODES are needed"
    fi
  done < <(df -B1 --output=avail,iavail,itotal,target -- "${paths[@]}" 2>/dev/null)
  [[ $short ]] || return 0
  short=${short:2}
  refuse "${short^}." "Free some on the host (nix-collect-garbage, old generations, logs), or lower [activation.preflight.diskMarginMiB]."
}

# boot_needs MOUNT: REPLY is the bytes that the kernel and the initrd need on a boot partition, as far as they are not there yet.
# Without the margin: such a partition is small, and nothing else grows there.
boot_needs() {
  local image name found size
  local -a images=() absent=()
  REPLY=0
  if [[ ${arg[mode]:-switch} =~ ^(test|dry-activate)$ || $1 != /boot && ! -d $1/EFI/nixos ]]; then return 0; fi
  mapfile -t images < <(readlink -m -- "$toplevel/kernel" "$toplevel/initrd")
  for image in "${images[@]}"; do
    name=${image%/*}
    name=${name##*/}-${image##*/}
    for found in "$1"/EFI/nixos/"$name"* "$1"/kernels/"$name"* "$1"/nixos/"$name"*; do
      if [[ -e $found ]]; then continue 2; fi
    done
    if [[ -e $image ]]; then absent+=("$image"); fi
  done
  ((${#absent[@]})) || return 0
  while read -r size; do REPLY=$((REPLY + size)); done < <(stat -L -c %s -- "${absent[@]}")
  REPLY=$((REPLY + 1048576))
}

has_memory() {
  local least=${arg[preflight.memoryMarginMiB]:-64} key value available=''
  while read -r key value _; do
    if [[ $key == MemAvailable: ]]; then available=$((value / 1024)); fi
  done </proc/meminfo
  [[ $available ]] && ((available < least)) || return 0
  refuse "Only $available MiB of memory are available, $least MiB are needed." \
    "Stop what takes the memory, or lower [activation.preflight.memoryMarginMiB]."
}
