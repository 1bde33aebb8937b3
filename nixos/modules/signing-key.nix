# Keys that sign closures. Each is made on the host at first boot and never leaves it; its public half is beside it, for
# trustedKeys of the hosts that are to accept the closures.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  keys = config.nixos-promote.signingKeys;

  make =
    name: key:
    lib.nameValuePair "nixos-promote-signing-key-${name}" {
      description = "Signing key ${name}";
      wantedBy = [ "multi-user.target" ];
      unitConfig.ConditionPathExists = "!${key.file}";
      # ".new" first: a key that is there is a whole one.
      script = ''
        umask 077
        mkdir -p ${lib.escapeShellArg (dirOf key.file)}
        rm -f ${lib.escapeShellArg "${key.file}.new"}
        ${config.nix.package}/bin/nix-store --generate-binary-cache-key ${
          lib.escapeShellArgs [
            name
            "${key.file}.new"
            "${key.file}.pub"
          ]
        }
        chmod 0444 ${lib.escapeShellArg "${key.file}.pub"}
        sync
        mv -T ${lib.escapeShellArgs [ "${key.file}.new" key.file ]}
      '';
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
    };
in
{
  options.nixos-promote.signingKeys = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule (
        { name, ... }:
        {
          options.file = lib.mkOption {
            type = lib.types.strMatching "/.*";
            default = "/var/lib/nixos-promote/keys/${name}.secret";
            defaultText = lib.literalExpression ''"/var/lib/nixos-promote/keys/''${name}.secret"'';
            description = "Where the secret key is. The public key is in the same place, with `.pub` behind.";
          };
        }
      )
    );
    default = { };
    example = lib.literalExpression "{ choiros-grind-1 = { }; }";
    description = "Signing keys by their names. A name cannot be used again for another key.";
  };

  config.systemd.services = lib.mapAttrs' make keys;
}
