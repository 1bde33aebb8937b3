# The hypervisor: people's entrance, on 9090, with the desktop's files.
{ packages, ... }:
let
  inherit (packages) hypervisor desktop;
in
{
  systemd.services.hypervisor = {
    description = "ChoirOS hypervisor";
    after = [ "network.target" ];
    wantedBy = [ "multi-user.target" ];
    environment = {
      HYPERVISOR_PORT = 9090;
      FRONTEND_DIST = "${desktop}/share/desktop";
    };
    serviceConfig = {
      Type = "notify";
      ExecStart = "/usr/bin/python3 -IS ${hypervisor}/bin/hypervisor";
      TimeoutStartSec = 20;
      TimeoutStopSec = 10;
    };
  };

  environment.systemPackages = [
    hypervisor
    desktop
  ];
}
