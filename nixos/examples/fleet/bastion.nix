# The host in the middle: it builds, signs, caches, and runs the jobs that deploy.
{ pkgs, ... }:
{
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  boot.loader.grub = {
    enable = true;
    device = "/dev/vda";
  };

  nixos-promote.closureBuilder.enable = true;

  nixos-promote.cacheServer = {
    enable = true;
    domain = "cache.fleet.example.com";
    cachix.name = "fleet";
  };

  nixos-promote.githubRunner = {
    enable = true;
    url = "https://github.com/example/fleet";
    tokenFile = "/var/lib/nixos-promote/keys/github-runner.token";
    deployKeyFile = "/var/lib/nixos-promote/keys/deploy";
    packages = [
      pkgs.nodejs
      pkgs.pulumi
    ];
  };
}
