# Small: builds nothing, and keeps less.
{
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  boot.loader.grub = {
    enable = true;
    device = "/dev/sda";
  };
  nixos-promote.gc.keepDays = 5;
}
