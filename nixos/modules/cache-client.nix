# A host that fetches from binary caches, and believes them.
{ config, lib, ... }:
let
  cfg = config.nixos-promote.cacheClient;

  cache.options = {
    url = lib.mkOption {
      type = lib.types.strMatching "(https?|s3|file|ssh|ssh-ng)://.*";
      example = "https://cache.example.com";
      description = "Where the cache is.";
    };

    publicKeys = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "[^:[:space:]]+:[A-Za-z0-9+/=]+");
      example = [ "cache.example.com-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      description = "Whose signatures count on what it has.";
    };

    priority = lib.mkOption {
      type = lib.types.nullOr lib.types.ints.unsigned;
      default = null;
      description = "Of several caches the lowest is asked first; that of cache.nixos.org is 40. Without one the cache says it itself.";
    };
  };

  urlOf =
    { url, priority, ... }:
    if priority == null then
      url
    else
      "${url}${if lib.hasInfix "?" url then "&" else "?"}priority=${toString priority}";
in
{
  options.nixos-promote.cacheClient = {
    enable = lib.mkEnableOption "fetching from the caches below, beside cache.nixos.org";

    caches = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule cache);
      default = { };
      description = "Caches by a name of your choice.";
    };

    netrcFile = lib.mkOption {
      type = lib.types.nullOr (lib.types.strMatching "/.*");
      default = null;
      example = "/var/lib/nixos-promote/netrc";
      description = "The file with the passwords of private caches; it stays out of the store.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.netrcFile == null || !lib.hasPrefix builtins.storeDir cfg.netrcFile;
        message = "nixos-promote.cacheClient.netrcFile is in the store, where everybody may read it.";
      }
    ];

    nix.settings = {
      substituters = map urlOf (lib.attrValues cfg.caches);
      trusted-public-keys = lib.unique (lib.concatMap (c: c.publicKeys) (lib.attrValues cfg.caches));
      # A cache that is away costs a moment, and no build.
      connect-timeout = lib.mkDefault 5;
    }
    // lib.optionalAttrs (cfg.netrcFile != null) { netrc-file = cfg.netrcFile; };
  };
}
