#!/bin/bash
# Turn a fresh Debian tree into a lab base. Called by mmdebstrap with the tree as its only argument.
set -euo pipefail
root=$1
units=$root/usr/lib/systemd/system

# /etc/systemd/system belongs to the NixOS system that is activated later: Debian's own choice of units
# moves to /usr/lib, so that replacing /etc/systemd/system never takes sshd away.
rm -rf "$root"/etc/systemd/system/*
for target in "$units"/*.target.wants; do
  case ${target##*/} in
    sockets.target.wants | sysinit.target.wants | local-fs.target.wants | multi-user.target.wants) ;;
    *) rm -rf "$target" ;;
  esac
done
keep=" dbus.socket systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service
 systemd-journal-flush.service systemd-sysusers.service systemd-tmpfiles-setup.service
 systemd-tmpfiles-setup-dev-early.service systemd-tmpfiles-setup-dev.service run-lock.mount tmp.mount
 dbus.service systemd-user-sessions.service systemd-logind.service "
for wanted in "$units"/*.wants/*; do
  [[ $keep == *" ${wanted##*/} "* || $keep == *" ${wanted##*/}"$'\n'* ]] || rm -f "$wanted"
done
ln -s ../ssh.service "$units/multi-user.target.wants/ssh.service"
ln -sfn multi-user.target "$units/default.target"
# Nothing to update at the first boot, and no key of the image: every host gets its own.
touch "$root/etc/.updated" "$root/var/.updated"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/var/lib/dbus/machine-id"
rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root/etc/ssh/sshd_config.d"/*
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
