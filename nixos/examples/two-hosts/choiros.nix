# The module graph of every host.
{
  config,
  lib,
  packages,
  ...
}:
let
  host = config.host;
in
{
  system.stateVersion = "25.11";

  choiros.hypervisor = {
    enable = true;
    package = packages.hypervisor;
    frontend = "${packages.desktop}/share/desktop";
    domain = host.domain;
    environment = {
      SANDBOX_LIVE_PORT = "8080";
      SANDBOX_DEV_PORT = "8081";
    };
  };
  choiros.secrets.services.hypervisor.sopsKeys = [
    "OPENAI_API_KEY"
    "RESEND_API_KEY"
  ];

  choiros.sandboxes.sandbox-live = {
    package = packages.sandbox;
    role = "live";
    hostAddress = "10.233.1.1";
    localAddress = "10.233.1.2";
    hostPort = 8080;
  };
  choiros.sandboxes.sandbox-dev = {
    package = packages.sandbox;
    role = "dev";
    hostAddress = "10.233.2.1";
    localAddress = "10.233.2.2";
    hostPort = 8081;
  };

  choiros.caddy = {
    enable = true;
    inherit (host) domain apex;
    email = "platform@example.com";
  };

  nixos-promote.closureTarget = {
    enable = true;
    # What choiros-grind has made at /var/lib/nixos-promote/keys/choiros-grind-1.secret.pub.
    trustedKeys = [ "choiros-grind-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
    # Yours, and that of root on choiros-grind, which copies to prod.
    authorizedKeys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHl2b3VyLWtleS15b3VyLWtleS15b3VyLWtleSEh you"
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdyaW5kLWtleS1ncmluZC1rZXktZ3JpbmQta2V5 root@choiros-grind"
    ];
    ssm.enable = host.ssm;
    checkout = lib.mkIf host.builds "/opt/choiros/workspace";
  };
  nixos-promote.closureBuilder = lib.mkIf host.builds {
    enable = true;
    signingKey = "choiros-grind-1";
  };
}
