{
  description = "A fleet behind a bastion, which builds for all, caches for all, and runs GitHub's jobs";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    nixos-promote.url = "git+ssh://git@example.com/nixos-promote?dir=nixos";
    home-manager.url = "github:nix-community/home-manager";
    home-manager.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      self,
      nixpkgs,
      nixos-promote,
      home-manager,
    }:
    let
      host =
        name: module:
        nixpkgs.lib.nixosSystem {
          system = "x86_64-linux";
          modules = [
            nixos-promote.nixosModules.default
            home-manager.nixosModules.home-manager
            ./common.nix
            module
            {
              networking.hostName = name;
              system.configurationRevision = self.rev or null;
            }
          ];
        };
    in
    {
      nixosConfigurations = nixpkgs.lib.mapAttrs host {
        attic = ./attic.nix;
        bastion = ./bastion.nix;
        desk = ./desk.nix;
        media = ./media.nix;
      };
    };
}
