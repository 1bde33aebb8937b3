# What every host of the fleet has: a way in, the bastion's signature, both caches, and its users' environments.
{
  system.stateVersion = "25.11";

  nixos-promote.closureTarget = {
    enable = true;
    trustedKeys = [ "bastion-1:Dzy5kBXGKYlqNlCaIyCUvvjvAQEzuaTTiEQZWZPMmvQ=" ];
    authorizedKeys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJhc3Rpb24tZGVwbG95LWtleS1vZi10aGUtZmxl bastion"
    ];
  };

  nixos-promote.cacheClient = {
    enable = true;
    caches.bastion = {
      url = "https://cache.fleet.example.com";
      publicKeys = [ "cache.fleet.example.com-1:2Rz5pz3vYzVMGo6WmRNPPzrAKR9MTYhM9y5VvPHWhVg=" ];
      priority = 10;
    };
    caches.cachix = {
      url = "https://fleet.cachix.org";
      publicKeys = [ "fleet.cachix.org-1:h3Jg2pKGLVX3tWQ0w5g5KZ1e9Xx8Yq1nB0m8Jm6sZ3E=" ];
      priority = 20;
    };
  };

  users.users.alice = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
  };
  nixos-promote.homeManager.users.alice = {
    home.stateVersion = "25.11";
    programs.git.enable = true;
  };
}
