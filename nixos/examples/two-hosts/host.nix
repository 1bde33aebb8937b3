# What a host is told from outside: its name, its network, its disks, its secrets, its domain, and whether it builds.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  host = config.host;
in
{
  options.host = {
    name = mkOption { type = types.str; };
    builds = mkOption {
      type = types.bool;
      default = false;
    };
    ssm = mkOption {
      type = types.bool;
      default = false;
    };
    domain = mkOption { type = types.str; };
    apex = mkOption { type = types.str; };
    network = {
      interface = mkOption { type = types.str; };
      address = mkOption { type = types.str; };
      prefixLength = mkOption {
        type = types.ints.between 0 32;
        default = 24;
      };
      gateway = mkOption { type = types.str; };
      nameservers = mkOption {
        type = types.listOf types.str;
        default = [ "9.9.9.9" ];
      };
    };
    disks = {
      root = mkOption { type = types.strMatching "/dev/disk/by-(label|uuid|partuuid|id)/.+"; };
      boot = mkOption { type = types.strMatching "/dev/disk/by-(label|uuid|partuuid|id)/.+"; };
      swap = mkOption {
        type = types.nullOr types.str;
        default = null;
      };
    };
    secrets = mkOption { type = types.path; };
  };

  config = {
    networking = {
      hostName = host.name;
      useDHCP = false;
      interfaces.${host.network.interface}.ipv4.addresses = [
        { inherit (host.network) address prefixLength; }
      ];
      defaultGateway = { address = host.network.gateway; };
      inherit (host.network) nameservers;
    };

    fileSystems."/" = {
      device = host.disks.root;
      fsType = "ext4";
    };
    fileSystems."/boot" = {
      device = host.disks.boot;
      fsType = "vfat";
      options = [ "umask=0077" ];
    };
    swapDevices = lib.optional (host.disks.swap != null) { device = host.disks.swap; };
    boot.loader.systemd-boot.enable = true;
    boot.loader.efi.canTouchEfiVariables = true;

    choiros.secrets.sopsFile = host.secrets;
  };
}
