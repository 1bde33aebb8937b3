{
  # For those who have Nix: `nix develop`, and what `npm run setup` would fetch is there, also on NixOS, where most programs
  # of npm do not start. Everybody else needs only `npm run setup`. The lab's tests want Debian, with or without this.
  description = "Development shell of nixos-promote";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { nixpkgs, ... }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEach = build: nixpkgs.lib.genAttrs systems (system: build nixpkgs.legacyPackages.${system});
    in
    {
      devShells = forEach (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.nodejs_24
            pkgs.pulumi
            pkgs.pulumiPackages.pulumi-nodejs
            pkgs.actionlint
            pkgs.git
            pkgs.openssh
            pkgs.shellcheck
          ];
          BIOME_BINARY = "${pkgs.biome}/bin/biome";
        };
      });
    };
}
