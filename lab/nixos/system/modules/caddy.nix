# Debian's Caddy with our configuration: the apex goes to os.DOMAIN, all else to the hypervisor.
{ config, pkgs, ... }:
let
  domain = config.choiros.domain;
  caddyfile = builtins.toFile "Caddyfile" ''
    {
      auto_https off
    }
    http://${domain} {
      redir https://os.${domain}{uri} 308
    }
    http:// {
      reverse_proxy 127.0.0.1:9090
    }
  '';
in
{
  environment.etc."caddy/caddy_config".source = caddyfile;

  systemd.services.caddy = {
    description = "Caddy";
    after = [ "network.target" ];
    wantedBy = [ "multi-user.target" ];
    reloadTriggers = [ caddyfile ];
    serviceConfig = {
      Type = "notify";
      User = "caddy";
      Group = "caddy";
      ExecStart = "/usr/bin/caddy run --config /etc/caddy/caddy_config --adapter caddyfile";
      ExecReload = "/usr/bin/caddy reload --config /etc/caddy/caddy_config --adapter caddyfile --force";
      TimeoutStopSec = "5s";
      AmbientCapabilities = "CAP_NET_BIND_SERVICE";
    };
  };
}
