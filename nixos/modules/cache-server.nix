# A binary cache of this host's own store: signed, behind Caddy, and with a copy at Cachix if you like.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.nixos-promote.cacheServer;
  keyFile = config.nixos-promote.signingKeys.${cfg.signingKey}.file;
  keyUnit = "nixos-promote-signing-key-${cfg.signingKey}.service";
  address = "127.0.0.1:${toString cfg.port}";

  # Its options have moved twice: signKeyPath until 24.05, and all of them below `cache` since 25.11.
  moved = options.services.harmonia ? cache;
  known = if moved then options.services.harmonia.cache else options.services.harmonia;
  harmonia = {
    enable = true;
    settings.bind = address;
  }
  // (if known ? signKeyPaths then { signKeyPaths = [ keyFile ]; } else { signKeyPath = keyFile; });
in
{
  imports = [ ./signing-key.nix ];

  options.nixos-promote.cacheServer = {
    enable = lib.mkEnableOption "a binary cache of this host's store";

    implementation = lib.mkOption {
      type = lib.types.enum [
        "nix-serve"
        "harmonia"
      ];
      default = "nix-serve";
      description = "The program that serves the store.";
    };

    domain = lib.mkOption {
      type = lib.types.str;
      example = "cache.example.com";
      description = "The name under which Caddy answers for it.";
    };

    internalTls = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether Caddy signs the certificate itself, for a name that nobody outside can look up. Clients then have to trust Caddy's own authority.";
    };

    port = lib.mkOption {
      type = lib.types.port;
      default = 5000;
      description = "Its port on 127.0.0.1, where Caddy finds it.";
    };

    signingKey = lib.mkOption {
      type = lib.types.str;
      default = "${cfg.domain}-1";
      defaultText = lib.literalExpression ''"''${domain}-1"'';
      description = "The name of the key that signs what it hands out; it is made if it is not there.";
    };

    cachix = {
      name = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = "choiros";
        description = "The cache at Cachix to which everything new in this store is pushed.";
      };

      tokenFile = lib.mkOption {
        type = lib.types.strMatching "/.*";
        default = "/var/lib/nixos-promote/keys/cachix.token";
        description = "The file with the token for it.";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    nixos-promote.signingKeys.${cfg.signingKey} = { };

    services.nix-serve = lib.mkIf (cfg.implementation == "nix-serve") {
      enable = true;
      bindAddress = "127.0.0.1";
      inherit (cfg) port;
      secretKeyFile = keyFile;
    };
    services.harmonia = lib.mkIf (cfg.implementation == "harmonia") (
      if moved then { cache = harmonia; } else harmonia
    );

    services.caddy = {
      enable = true;
      virtualHosts.${cfg.domain}.extraConfig = lib.concatStringsSep "\n" (
        lib.optional cfg.internalTls "tls internal" ++ [ "reverse_proxy ${address}" ]
      );
    };

    services.cachix-watch-store = lib.mkIf (cfg.cachix.name != null) {
      enable = true;
      cacheName = cfg.cachix.name;
      cachixTokenFile = cfg.cachix.tokenFile;
    };

    systemd.services.${cfg.implementation} = {
      after = [ keyUnit ];
      requires = [ keyUnit ];
    };

    networking.firewall.allowedTCPPorts = [
      80
      443
    ];
  };
}
