{
  # For those who have Nix: `nix develop`, then `npm run check`. Everybody else needs only `npm run setup`.
  # There is no flake.lock in the repository yet: the first `nix develop` writes one, and it may be committed.
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
            pkgs.git
            pkgs.openssh
            pkgs.shellcheck
          ];
        };
      });
    };
}
