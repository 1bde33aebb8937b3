# The module graph of every host.
{ lib, ... }:
{
  imports = [
    ./base.nix
    ./hypervisor.nix
    ./sandboxes.nix
    ./caddy.nix
  ];

  options.choiros.domain = lib.mkOption { };
}
