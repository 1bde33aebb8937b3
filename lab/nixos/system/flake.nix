{
  description = "The ChoirOS hosts, in small: one module graph, two hosts";

  outputs =
    { self }:
    let
      system = "x86_64-linux";
      nixos = import ./vendor/nixos/lib;
      packages = import ./packages { pkgs = nixos.pkgsFor system; };

      # What the two hosts may differ in is what hosts/NAME.nix says, and nothing else.
      host =
        name:
        nixos.nixosSystem {
          inherit system;
          specialArgs = { inherit packages; };
          modules = [
            ./modules/choiros.nix
            (./hosts + "/${name}.nix")
            {
              networking.hostName = name;
              system.nixos.label = "26.05.${self.shortRev or "dirty"}";
              system.configurationRevision = self.rev or null;
            }
          ];
        };
    in
    {
      packages.${system} = { inherit (packages) hypervisor sandbox desktop; };
      nixosConfigurations = {
        choiros-grind = host "choiros-grind";
        choiros-prod = host "choiros-prod";
      };
    };
}
