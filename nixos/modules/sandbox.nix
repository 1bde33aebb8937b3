# The sandboxes: NixOS containers, each with a network of its own. A switch restarts one exactly when what it is made of
# has changed.
{
  config,
  lib,
  ...
}:
let
  sandboxes = config.choiros.sandboxes;

  sandbox =
    { name, ... }:
    {
      options = {
        package = lib.mkOption {
          type = lib.types.package;
          description = "The package that the runtime comes from.";
        };

        program = lib.mkOption {
          type = lib.types.str;
          default = "sandbox";
          description = "Its program in the package's `bin`.";
        };

        role = lib.mkOption {
          type = lib.types.str;
          default = name;
          defaultText = lib.literalExpression "name";
          example = "live";
          description = "What it is for; the runtime gets it as `INSTANCE_ROLE`.";
        };

        autoStart = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether it is started at boot.";
        };

        restartIfChanged = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether a switch restarts it when it has changed. If not, the old runtime goes on, and a health contract with identity says so.";
        };

        hostAddress = lib.mkOption {
          type = lib.types.str;
          example = "10.233.1.1";
          description = "The host's end of its cable.";
        };

        localAddress = lib.mkOption {
          type = lib.types.str;
          example = "10.233.1.2";
          description = "Its own end.";
        };

        port = lib.mkOption {
          type = lib.types.port;
          default = 8080;
          description = "Its port inside.";
        };

        hostPort = lib.mkOption {
          type = lib.types.nullOr lib.types.port;
          default = null;
          example = 8081;
          description = "The port on 127.0.0.1 of the host that leads to it. A port that a container forwards cannot be reached from the host itself.";
        };

        environment = lib.mkOption {
          type = lib.types.attrsOf lib.types.str;
          default = { };
          description = "More environment variables of the runtime.";
        };
      };
    };

  containerOf = name: s: {
    inherit (s)
      autoStart
      restartIfChanged
      hostAddress
      localAddress
      ;
    privateNetwork = true;
    config = {
      system.stateVersion = lib.mkDefault config.system.stateVersion;
      networking.useHostResolvConf = lib.mkForce false;
      services.resolved.enable = true;
      networking.firewall.allowedTCPPorts = [ s.port ];
      systemd.services.sandbox = {
        description = "ChoirOS sandbox, ${s.role}";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        environment = {
          PORT = toString s.port;
          INSTANCE_ROLE = s.role;
          INSTANCE_NAME = name;
        }
        // s.environment;
        serviceConfig = {
          ExecStart = lib.getExe' s.package s.program;
          Restart = "on-failure";
          RestartSec = 2;
          DynamicUser = true;
          StateDirectory = "sandbox";
        };
      };
    };
  };

  reachable = lib.filterAttrs (_: s: s.hostPort != null) sandboxes;
  hostPorts = map (s: s.hostPort) (lib.attrValues reachable);
  addresses = map (s: s.localAddress) (lib.attrValues sandboxes);
in
{
  imports = [ ./store-paths.nix ];

  options.choiros.sandboxes = lib.mkOption {
    type = lib.types.attrsOf (lib.types.submodule sandbox);
    default = { };
    description = "Sandboxes by the names of their containers: `sandbox-live` is the unit `container@sandbox-live.service`.";
  };

  config = lib.mkIf (sandboxes != { }) {
    nixos-promote.storePaths.enable = lib.mkDefault true;

    assertions = [
      {
        assertion = lib.unique addresses == addresses && lib.unique hostPorts == hostPorts;
        message = "choiros.sandboxes: two of them have the same localAddress or the same hostPort.";
      }
    ]
    # The name of a network interface has at most 15 characters, and is ve- and the name.
    ++ map (name: {
      assertion = builtins.stringLength name <= 12;
      message = "choiros.sandboxes.${name}: the name is longer than 12 characters, so two containers could get the same network interface.";
    }) (lib.attrNames sandboxes);

    containers = lib.mapAttrs containerOf sandboxes;

    systemd.sockets = lib.mapAttrs' (
      name: s:
      lib.nameValuePair "${name}-port" {
        description = "Port of the sandbox ${name}";
        wantedBy = [ "sockets.target" ];
        listenStreams = [ "127.0.0.1:${toString s.hostPort}" ];
      }
    ) reachable;
    systemd.services = lib.mapAttrs' (
      name: s:
      lib.nameValuePair "${name}-port" {
        description = "Way to the sandbox ${name}";
        requires = [ "${name}-port.socket" ];
        after = [ "${name}-port.socket" ];
        serviceConfig = {
          ExecStart = "${config.systemd.package}/lib/systemd/systemd-socket-proxyd --exit-idle-time=5min ${s.localAddress}:${toString s.port}";
          DynamicUser = true;
          PrivateTmp = true;
        };
      }
    ) reachable;
  };
}
