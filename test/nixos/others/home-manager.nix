# Of Home Manager, the options that our modules set.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  flag = mkOption {
    type = types.bool;
    default = false;
  };
in
{
  options.home-manager = {
    useGlobalPkgs = flag;
    useUserPackages = flag;
    backupFileExtension = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
    users = mkOption {
      type = types.attrsOf (
        types.submoduleWith {
          modules = [
            {
              options.home.stateVersion = mkOption { type = types.str; };
              options.programs.git.enable = flag;
            }
          ];
        }
      );
      default = { };
    };
  };
}
