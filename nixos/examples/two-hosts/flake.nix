{
  description = "Two hosts from one module graph: grind builds and rehearses, prod takes what grind has proven";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    nixos-promote.url = "git+ssh://git@example.com/nixos-promote?dir=nixos";
    sops-nix.url = "github:Mic92/sops-nix";
    sops-nix.inputs.nixpkgs.follows = "nixpkgs";
    # The programs: packages.<system>.{hypervisor,sandbox,desktop}.
    choiros.url = "git+ssh://git@example.com/choiros";
    choiros.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      self,
      nixpkgs,
      nixos-promote,
      sops-nix,
      choiros,
    }:
    let
      system = "x86_64-linux";
      packages = choiros.packages.${system};

      host =
        name: inputs:
        nixpkgs.lib.nixosSystem {
          inherit system;
          specialArgs = { inherit packages; };
          modules = [
            nixos-promote.nixosModules.default
            sops-nix.nixosModules.sops
            ./host.nix
            ./choiros.nix
            {
              host = inputs // {
                inherit name;
              };
              # The exact revision, in the system itself.
              system.configurationRevision = self.rev or null;
            }
          ];
        };
    in
    {
      inherit packages;
      nixosConfigurations = nixpkgs.lib.mapAttrs host (import ./hosts.nix);
    };
}
