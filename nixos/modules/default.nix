# All of them. Each does nothing until its own options ask for it.
{
  imports = [
    ./boot-guard.nix
    ./cache-client.nix
    ./cache-server.nix
    ./caddy.nix
    ./closure-builder.nix
    ./closure-target.nix
    ./gc.nix
    ./github-runner.nix
    ./home-manager.nix
    ./hypervisor.nix
    ./microvm-host.nix
    ./sandbox.nix
    ./secrets.nix
    ./signing-key.nix
    ./store-paths.nix
  ];
}
