# The boot side of a system: a kernel and an initrd by name only (a lab host boots on the kernel it
# has), their parameters, and the boot loader, which keeps one store path in /boot/loader/default.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  version = config.boot.kernelVersion;
in
{
  options = {
    boot.kernelVersion = lib.mkOption { default = "6.12.69"; };
    boot.kernelParams = lib.mkOption { default = [ ]; };
    boot.initrd.modules = lib.mkOption { default = [ ]; };
    # Bumped by NixOS when the running system cannot take over the new one: exit code 100.
    boot.initInterfaceVersion = lib.mkOption { default = 2; };
    system.build.kernel = lib.mkOption { };
    system.build.initialRamdisk = lib.mkOption { };
    # A program with arguments, split on white space; gets the system as last argument.
    system.build.installBootLoader = lib.mkOption { default = "/bin/sh ${../install-boot-loader.sh}"; };
  };

  config.boot.kernelParams = [ "loglevel=4" ];

  config.system.build = {
    kernel = pkgs.run "linux-${version}" { } ''
      mkdir -p "$out"
      echo 'not a real kernel' > "$out/bzImage"
    '';
    initialRamdisk = pkgs.run "initrd-linux-${version}" { inherit (config.boot.initrd) modules; } ''
      mkdir -p "$out"
      echo "not a real initrd; modules: $modules" > "$out/initrd"
    '';
  };
}
