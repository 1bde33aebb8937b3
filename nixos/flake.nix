{
  description = "NixOS modules for hosts that nixos-promote activates";

  outputs = _: {
    # By path, so that a module that comes in twice counts once; in a set, as `nix flake check` wants it.
    nixosModules = builtins.mapAttrs (_: path: { imports = [ path ]; }) {
      bootGuard = ./modules/boot-guard.nix;
      cacheClient = ./modules/cache-client.nix;
      cacheServer = ./modules/cache-server.nix;
      caddy = ./modules/caddy.nix;
      closureBuilder = ./modules/closure-builder.nix;
      closureTarget = ./modules/closure-target.nix;
      default = ./modules;
      gc = ./modules/gc.nix;
      githubRunner = ./modules/github-runner.nix;
      homeManager = ./modules/home-manager.nix;
      hypervisor = ./modules/hypervisor.nix;
      microvmHost = ./modules/microvm-host.nix;
      sandbox = ./modules/sandbox.nix;
      secrets = ./modules/secrets.nix;
      signingKey = ./modules/signing-key.nix;
      storePaths = ./modules/store-paths.nix;
    };

    templates = {
      fleet = {
        path = ./examples/fleet;
        description = "A fleet behind a bastion, updated by a push";
      };
      two-hosts = {
        path = ./examples/two-hosts;
        description = "Two hosts from one module graph: grind and prod";
      };
    };
  };
}
