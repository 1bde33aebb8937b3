{
  description = "NixOS modules for hosts that nixos-promote activates";

  outputs = _: {
    nixosModules = {
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
  };
}
