# The sandboxes: instances of one template, each with a network of its own, as NixOS containers are.
# What an instance is made of is in its drop-in.
{
  config,
  lib,
  packages,
  ...
}:
let
  sandboxes = config.choiros.sandboxes;
in
{
  options.choiros.sandboxes = lib.mkOption { };

  config.choiros.sandboxes = {
    sandbox-live = {
      role = "live";
      network = "10.233.1";
      package = packages.sandbox-live;
    };
    sandbox-dev = {
      role = "dev";
      network = "10.233.2";
      package = packages.sandbox;
    };
  };

  config.environment.systemPackages = [ packages.containers ];

  config.systemd.services = {
    "container@" = {
      description = "Container '%i'";
      after = [ "network.target" ];
      serviceConfig = {
        Type = "notify";
        ExecStartPre = "${packages.containers}/bin/container-network up %i \${NETWORK}";
        ExecStart = "/usr/sbin/ip netns exec %i /usr/bin/python3 -IS \${SANDBOX}/bin/sandbox";
        ExecStopPost = "${packages.containers}/bin/container-network down %i";
        TimeoutStartSec = 20;
        TimeoutStopSec = 10;
      };
    };
  }
  // builtins.listToAttrs (
    lib.mapAttrsToList (name: sandbox: {
      name = "container@${name}";
      value = {
        overrideStrategy = "asDropin";
        wantedBy = [ "multi-user.target" ];
        environment = {
          NETWORK = sandbox.network;
          SANDBOX = sandbox.package;
          INSTANCE_ROLE = sandbox.role;
          INSTANCE_NAME = name;
        };
      };
    }) sandboxes
  );
}
