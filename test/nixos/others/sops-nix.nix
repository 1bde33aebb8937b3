# Of sops-nix, the options that our modules set, and the paths that it promises.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  named =
    directory: extra:
    types.attrsOf (
      types.submodule (
        { name, ... }:
        {
          options = {
            path = mkOption {
              type = types.str;
              default = "${directory}/${name}";
            };
            restartUnits = mkOption {
              type = types.listOf types.str;
              default = [ ];
            };
          }
          // extra;
        }
      )
    );
in
{
  options.sops = {
    defaultSopsFile = mkOption { type = types.path; };
    age.keyFile = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
    secrets = mkOption {
      type = named "/run/secrets" { };
      default = { };
    };
    templates = mkOption {
      type = named "/run/secrets/rendered" { content = mkOption { type = types.lines; }; };
      default = { };
    };
    placeholder = mkOption {
      type = types.attrsOf types.str;
      default = { };
    };
  };

  config.sops.placeholder = {
    OPENAI_API_KEY = "<placeholder of OPENAI_API_KEY>";
    RESEND_API_KEY = "<placeholder of RESEND_API_KEY>";
  };
}
