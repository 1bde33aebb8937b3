# Caddy before the hypervisor: the public name leads to it, the bare domain to the public name, for good (308).
{ config, lib, ... }:
let
  cfg = config.choiros.caddy;
  # Without TLS, where something in front of this host has it.
  site = name: if cfg.tls then name else "http://${name}";
  scheme = if cfg.tls then "https" else "http";
in
{
  options.choiros.caddy = {
    enable = lib.mkEnableOption "Caddy before the hypervisor";

    domain = lib.mkOption {
      type = lib.types.str;
      example = "os.example.com";
      description = "The public name of this host.";
    };

    apex = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "example.com";
      description = "The bare domain, all of which is sent on to `domain`.";
    };

    upstream = lib.mkOption {
      type = lib.types.str;
      default = "127.0.0.1:9090";
      description = "Where the hypervisor listens.";
    };

    tls = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether Caddy gets certificates and speaks https.";
    };

    email = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      description = "Whom the certificate authority writes to.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.apex != cfg.domain;
        message = "choiros.caddy: apex and domain are the same name, which would be sent on to itself for ever.";
      }
    ];

    services.caddy = {
      enable = true;
      email = lib.mkIf (cfg.email != null) cfg.email;
      virtualHosts = {
        ${site cfg.domain}.extraConfig = "reverse_proxy ${cfg.upstream}";
      }
      // lib.optionalAttrs (cfg.apex != null) {
        ${site cfg.apex}.extraConfig = "redir ${scheme}://${cfg.domain}{uri} 308";
      };
    };

    networking.firewall.allowedTCPPorts = [
      80
      443
    ];
  };
}
