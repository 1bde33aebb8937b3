# A stand-in for the part of nixpkgs that turns modules into a NixOS system.
# `nixosSystem` takes what nixpkgs' function takes and gives back the same shape:
# `config.system.build.toplevel` is the system.
let
  modules = import ./modules.nix;
  text = import ./text.nix;
  lib = modules // text // import ./options.nix (modules // text);
  pkgsFor = system: import ./pkgs.nix { inherit lib system; };
in
{
  inherit lib pkgsFor;

  nixosSystem =
    {
      modules,
      system ? "x86_64-linux",
      specialArgs ? { },
    }:
    lib.evalModules {
      modules = import ./system/module-list.nix ++ modules;
      specialArgs = {
        inherit lib system;
        pkgs = pkgsFor system;
      }
      // specialArgs;
    };
}
