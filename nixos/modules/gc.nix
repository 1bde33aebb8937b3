# Garbage collection that never gets in the way of a promotion. What a host runs, and what it would go back to, is held
# by gc roots of its own in /nix/var/nix/gcroots/nixos-promote: a collection leaves both alone, however old they are.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.nixos-promote.gc;

  # Their paths are on their way into a root.
  jobs = [
    "nixos-promote-activate.service"
    "nixos-promote-build.service"
    "nixos-promote-pull.service"
    "nixos-promote-push.service"
  ];

  # systemd takes 1 for "not now", which is no failure.
  unlessPromoting = pkgs.writeShellScript "unless-promoting" ''
    if ${config.systemd.package}/bin/systemctl is-active --quiet ${lib.concatStringsSep " " jobs}; then
      echo "A promotion is under way; nothing is collected this time."
      exit 1
    fi
  '';
in
{
  options.nixos-promote.gc = {
    enable = lib.mkEnableOption "garbage collection on a timer, except while a promotion is under way";

    dates = lib.mkOption {
      type = lib.types.str;
      default = "Sun 03:40";
      description = "When to collect, as in systemd.time(7).";
    };

    keepDays = lib.mkOption {
      type = lib.types.ints.positive;
      default = 14;
      description = "Generations that are older are deleted. The running one and the one before it are kept in any case.";
    };
  };

  config = lib.mkIf cfg.enable {
    nix.gc = {
      automatic = true;
      inherit (cfg) dates;
      options = "--delete-older-than ${toString cfg.keepDays}d";
      randomizedDelaySec = lib.mkDefault "20min";
    };

    systemd.services.nix-gc.serviceConfig.ExecCondition = unlessPromoting;
  };
}
