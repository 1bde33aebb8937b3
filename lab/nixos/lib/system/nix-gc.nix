# nix.gc: a service that collects garbage, and its timer.
{ config, lib, ... }:
let
  cfg = config.nix.gc;
in
{
  config = lib.mkIf cfg.automatic {
    systemd.services.nix-gc = {
      description = "Nix Garbage Collector";
      script = "exec /usr/bin/nix-collect-garbage ${cfg.options}";
      serviceConfig.Type = "oneshot";
    };
    systemd.timers.nix-gc = {
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = cfg.dates;
        Persistent = cfg.persistent;
        RandomizedDelaySec = cfg.randomizedDelaySec;
      };
    };
  };
}
