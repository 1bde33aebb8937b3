# Virtual machines whose runners are part of the host's own closure: they are copied with it, held against garbage
# collection with it, and go back with it. A guest is never older than its host.
{ config, lib, ... }:
let
  runners = config.nixos-promote.microvmHost.runners;

  runner.options = {
    package = lib.mkOption {
      type = lib.types.package;
      example = lib.literalExpression "self.nixosConfigurations.guest.config.microvm.declaredRunner";
      description = "A package with `bin/microvm-run` and `bin/microvm-shutdown`, as microvm.nix makes them.";
    };

    autoStart = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether it is started at boot. A machine class that somebody else starts is only kept with the host.";
    };

    restartIfChanged = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether a switch restarts it when its runner has changed.";
    };

    stateDir = lib.mkOption {
      type = lib.types.nullOr (lib.types.strMatching "/.*");
      default = null;
      example = "/opt/choiros/vms/state/live";
      description = "Where it runs, and keeps its disks and sockets. Without one: `/var/lib/microvms` and its name.";
    };

    user = lib.mkOption {
      type = lib.types.str;
      default = "root";
      description = "The account that it runs as.";
    };
  };

  started = lib.filterAttrs (_: r: r.autoStart) runners;
  stateDirOf = name: r: if r.stateDir == null then "/var/lib/microvms/${name}" else r.stateDir;
in
{
  options.nixos-promote.microvmHost.runners = lib.mkOption {
    type = lib.types.attrsOf (lib.types.submodule runner);
    default = { };
    description = "Runners by the names of their machines. Each is found in `/etc/nixos-promote/runners`; one that is started is `microvm-NAME.service`.";
  };

  config = lib.mkIf (runners != { }) {
    environment.etc = lib.mapAttrs' (
      name: r: lib.nameValuePair "nixos-promote/runners/${name}" { source = r.package; }
    ) runners;

    systemd.tmpfiles.rules = lib.mapAttrsToList (
      name: r: "d ${stateDirOf name r} 0750 ${r.user} root -"
    ) started;

    systemd.services = lib.mapAttrs' (
      name: r:
      lib.nameValuePair "microvm-${name}" {
        description = "Virtual machine ${name}";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        inherit (r) restartIfChanged;
        serviceConfig = {
          ExecStart = lib.getExe' r.package "microvm-run";
          ExecStop = lib.getExe' r.package "microvm-shutdown";
          WorkingDirectory = stateDirOf name r;
          User = r.user;
          Restart = "on-failure";
          RestartSec = 5;
          TimeoutStopSec = 90;
        };
      }
    ) started;
  };
}
