# Early in every boot: was an activation cut off when the host went down? Then that is put on record, in the journal, in
# the ledger and beside the activation, before anybody can start the next one. Without this module the next look at the host tells it too, but
# not what it booted.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  options.nixos-promote.bootGuard.enable = lib.mkEnableOption "the record, made at boot, of an activation that was cut off";

  config = lib.mkIf config.nixos-promote.bootGuard.enable {
    systemd.services.nixos-promote-boot-guard = {
      description = "Record of an activation that was cut off";
      wantedBy = [ "multi-user.target" ];
      before = [
        "sshd.service"
        "ssh.service"
      ];
      # Once per boot: a switch must not take the activation that it is part of for one that was cut off.
      restartIfChanged = false;
      unitConfig.RequiresMountsFor = "/var/lib/nixos-promote /nix/var/nix/gcroots";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${pkgs.runtimeShell} ${./boot-guard.sh}";
        SyslogIdentifier = "nixos-promote";
      };
    };
  };
}
