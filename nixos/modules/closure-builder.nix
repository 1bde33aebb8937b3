# A host that builds releases: it signs them, and whatever it builds leaves its services room to live.
{ config, lib, ... }:
let
  cfg = config.nixos-promote.closureBuilder;
  slice = "nixos-builds.slice";
in
{
  imports = [
    ./closure-target.nix
    ./gc.nix
    ./signing-key.nix
  ];

  options.nixos-promote.closureBuilder = {
    enable = lib.mkEnableOption "what a host needs that builds releases";

    signingKey = lib.mkOption {
      type = lib.types.str;
      default = "${config.networking.hostName}-1";
      defaultText = lib.literalExpression ''"''${config.networking.hostName}-1"'';
      description = "The name of the key that signs releases; it is made if it is not there. Its file is `release.signingKeyFile` in the stack.";
    };

    memoryHigh = lib.mkOption {
      type = lib.types.str;
      default = "50%";
      description = "Above this share of the memory all builds together are slowed down.";
    };

    memoryMax = lib.mkOption {
      type = lib.types.str;
      default = "65%";
      description = "Builds that need more than this together are killed, and nothing else is.";
    };

    weight = lib.mkOption {
      type = lib.types.ints.between 1 10000;
      default = 20;
      description = "The share of processor and disks that builds get when services want them too, which have 100 each.";
    };

    maxJobs = lib.mkOption {
      type = lib.types.ints.positive;
      default = 1;
      description = "How many derivations are built side by side.";
    };

    cores = lib.mkOption {
      type = lib.types.ints.unsigned;
      default = 0;
      description = "How many cores one of them may use; 0 is all.";
    };

    freeGiB = lib.mkOption {
      type = lib.types.ints.positive;
      default = 5;
      description = "With less room than this in the store, a build collects garbage first, until there is four times as much.";
    };
  };

  config = lib.mkIf cfg.enable {
    nixos-promote.signingKeys.${cfg.signingKey} = { };
    nixos-promote.gc.enable = lib.mkDefault true;
    nixos-promote.closureTarget.builds = lib.mkDefault true;

    nix.settings = {
      max-jobs = cfg.maxJobs;
      inherit (cfg) cores;
      min-free = cfg.freeGiB * 1024 * 1024 * 1024;
      max-free = 4 * cfg.freeGiB * 1024 * 1024 * 1024;
      # What was needed for a release is needed again for the next one.
      keep-outputs = lib.mkDefault true;
      keep-derivations = lib.mkDefault true;
    };
    nix.daemonCPUSchedPolicy = lib.mkDefault "batch";
    nix.daemonIOSchedClass = lib.mkDefault "idle";

    systemd.slices.nixos-builds = {
      description = "Builds of Nix";
      sliceConfig = {
        MemoryHigh = cfg.memoryHigh;
        MemoryMax = cfg.memoryMax;
        CPUWeight = cfg.weight;
        IOWeight = cfg.weight;
      };
    };
    systemd.services.nix-daemon.serviceConfig.Slice = slice;
    # Root builds without the daemon. As plain text, for the job has a PATH of its own, which NixOS would replace.
    systemd.units."nixos-promote-build.service" = {
      overrideStrategy = "asDropin";
      text = ''
        [Service]
        Slice=${slice}
      '';
    };
  };
}
