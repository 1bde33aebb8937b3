#!/bin/sh
# The boot loader of a lab host: one file with the path of the system that the next boot activates.
# Written to the disk before it takes the old one's place, so a power cut leaves one or the other.
set -eu
mkdir -p /boot/loader
printf '%s\n' "$1" > /boot/loader/.default.new
sync -d /boot/loader/.default.new
mv /boot/loader/.default.new /boot/loader/default
