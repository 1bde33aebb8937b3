# What tests ask: the two examples, and systems of their own, made of the project's modules.
# With the environment variable NIXPKGS_LIB, a directory with nixpkgs' own lib, that one is in the place of the stand-in's;
# with NIXPKGS, a directory with all of nixpkgs, its systems are.
let
  nixpkgs = builtins.getEnv "NIXPKGS";
  standIn = import ../../lab/nixos/lib;
  realLib = if nixpkgs == "" then builtins.getEnv "NIXPKGS_LIB" else "${nixpkgs}/lib";

  lib =
    (
      if realLib == "" then
        standIn.lib
      else
        import (/. + realLib) // { inherit (standIn.lib) storeName concatMapAttrsStrings; }
    )
    // {
      inherit nixosSystem;
    };

  nixosSystem =
    if nixpkgs != "" then
      { modules, specialArgs ? { }, ... }:
      import (/. + "${nixpkgs}/nixos/lib/eval-config.nix") {
        inherit lib specialArgs;
        system = null;
        modules = modules ++ [ { nixpkgs.hostPlatform = "x86_64-linux"; } ];
      }
    else if realLib == "" then
      standIn.nixosSystem
    else
      {
        modules,
        specialArgs ? { },
        system ? "x86_64-linux",
      }:
      lib.evalModules {
        modules = import ../../lab/nixos/lib/system/module-list.nix ++ modules;
        specialArgs = {
          inherit lib pkgs system;
        }
        // specialArgs;
      };
  modules = (import ../../nixos/flake.nix).outputs { };

  example =
    name: inputs:
    (import (../../nixos/examples + "/${name}/flake.nix")).outputs (
      {
        self.rev = "0123456789abcdef0123456789abcdef01234567";
        nixpkgs = { inherit lib; };
        nixos-promote = modules;
      }
      // inputs
    );

  pkgs =
    if nixpkgs == "" then
      standIn.pkgsFor "x86_64-linux"
    else
      import (/. + nixpkgs) { system = "x86_64-linux"; };
  package =
    name:
    (pkgs.runCommand or pkgs.run) "${name}-1.0" { } ''mkdir -p "$out/bin"; touch "$out/bin/${name}"'';
in
rec {
  inherit lib pkgs package;
  inherit (modules) nixosModules;

  twoHosts =
    (example "two-hosts" {
      sops-nix.nixosModules.sops = ./others/sops-nix.nix;
      choiros.packages.x86_64-linux = lib.genAttrs [ "hypervisor" "sandbox" "desktop" ] package;
    }).nixosConfigurations;
  grind = twoHosts.choiros-grind.config;
  prod = twoHosts.choiros-prod.config;

  fleet = lib.mapAttrs (_: host: host.config) (
    (example "fleet" { home-manager.nixosModules.home-manager = ./others/home-manager.nix; }).nixosConfigurations
  );

  # A host of these modules, beside all of the project's.
  host =
    more:
    (lib.nixosSystem {
      modules = [
        modules.nixosModules.default
        { networking.hostName = "host"; }
      ]
      ++ more;
    }).config;

  sops = ./others/sops-nix.nix;
  homeManager = ./others/home-manager.nix;

  # Evaluates all of a system, and so what it insists on.
  whole = config: builtins.unsafeDiscardStringContext config.system.build.toplevel.drvPath;
}
