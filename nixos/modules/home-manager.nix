# The users' environments as part of the system: one switch brings both, and one way back takes both back.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.nixos-promote.homeManager;
  isThere = options ? home-manager;
in
{
  options.nixos-promote.homeManager = {
    users = lib.mkOption {
      type = lib.types.attrsOf lib.types.deferredModule;
      default = { };
      example = lib.literalExpression "{ alice = ./home/alice.nix; }";
      description = "Home Manager's configuration of each user.";
    };

    backupExtension = lib.mkOption {
      type = lib.types.str;
      default = "before-home-manager";
      description = "What a file is renamed to that stands where one of Home Manager's comes; without that the user's part of the switch would fail.";
    };
  };

  config = {
    assertions =
      lib.optional (cfg.users != { }) {
        assertion = isThere;
        message = "nixos-promote.homeManager.users needs home-manager.nixosModules.home-manager among the host's modules.";
      }
      ++ map (user: {
        assertion = config.users.users ? ${user};
        message = "nixos-promote.homeManager.users.${user}: users.users has no such user.";
      }) (lib.attrNames cfg.users);
  }
  // lib.optionalAttrs isThere {
    home-manager = lib.mkIf (cfg.users != { }) {
      useGlobalPkgs = lib.mkDefault true;
      useUserPackages = lib.mkDefault true;
      backupFileExtension = lib.mkDefault cfg.backupExtension;
      inherit (cfg) users;
    };
  };
}
