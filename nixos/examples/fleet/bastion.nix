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

  # The jobs' ssh believes these keys and no others: /etc/ssh/ssh_host_ed25519_key.pub of each host.
  programs.ssh.knownHosts = {
    attic.publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGF0dGljLWhvc3Qta2V5LWF0dGljLWhvc3Qta2V5";
    bastion.publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJhc3Rpb24taG9zdC1rZXktYmFzdGlvbi1ob3N0";
    desk.publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRlc2staG9zdC1rZXktZGVzay1ob3N0LWtleS0h";
    media.publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG1lZGlhLWhvc3Qta2V5LW1lZGlhLWhvc3Qta2V5";
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
