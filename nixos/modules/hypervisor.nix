# The hypervisor: people's entrance, on 127.0.0.1:9090, run from the store, so that a switch alone brings a new version.
{ config, lib, ... }:
let
  cfg = config.choiros.hypervisor;
in
{
  imports = [ ./store-paths.nix ];

  options.choiros.hypervisor = {
    enable = lib.mkEnableOption "the hypervisor";

    package = lib.mkOption {
      type = lib.types.package;
      description = "The package that it comes from.";
    };

    program = lib.mkOption {
      type = lib.types.str;
      default = "hypervisor";
      description = "Its program in the package's `bin`.";
    };

    frontend = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = lib.literalExpression ''"''${packages.desktop}/share/desktop"'';
      description = "The directory with the desktop's files.";
    };

    port = lib.mkOption {
      type = lib.types.port;
      default = 9090;
      description = "Its port on this host.";
    };

    domain = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "os.example.com";
      description = "The public name of this host, for which sign-in is registered.";
    };

    dataDir = lib.mkOption {
      type = lib.types.strMatching "/.*";
      default = "/opt/choiros/data";
      description = "Where it keeps its database. Made if it is not there; what is in it becomes `user`'s.";
    };

    user = lib.mkOption {
      type = lib.types.str;
      default = "hypervisor";
      description = "The account that it runs as, which is made for it.";
    };

    environment = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      description = "More environment variables. Secrets are for `choiros.secrets`.";
    };
  };

  config = lib.mkIf cfg.enable {
    nixos-promote.storePaths.enable = lib.mkDefault true;

    users.users.${cfg.user} = {
      isSystemUser = true;
      group = cfg.user;
      home = cfg.dataDir;
    };
    users.groups.${cfg.user} = { };

    systemd.tmpfiles.rules = [
      "d ${cfg.dataDir} 0750 ${cfg.user} ${cfg.user} -"
      "Z ${cfg.dataDir} - ${cfg.user} ${cfg.user} -"
    ];

    systemd.services.hypervisor = {
      description = "ChoirOS hypervisor";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      environment = {
        HYPERVISOR_PORT = toString cfg.port;
        HYPERVISOR_DATABASE_URL = "sqlite:${cfg.dataDir}/hypervisor.db";
      }
      // lib.optionalAttrs (cfg.frontend != null) { FRONTEND_DIST = toString cfg.frontend; }
      // lib.optionalAttrs (cfg.domain != null) {
        WEBAUTHN_RP_ID = cfg.domain;
        WEBAUTHN_RP_ORIGIN = "https://${cfg.domain}";
      }
      // cfg.environment;
      serviceConfig = {
        ExecStart = lib.getExe' cfg.package cfg.program;
        User = cfg.user;
        Group = cfg.user;
        Restart = "on-failure";
        RestartSec = 2;
        ReadWritePaths = [ cfg.dataDir ];
        NoNewPrivileges = lib.mkDefault true;
        PrivateTmp = lib.mkDefault true;
        ProtectHome = lib.mkDefault true;
        ProtectSystem = lib.mkDefault "strict";
        CapabilityBoundingSet = lib.mkDefault "";
      };
    };
  };
}
