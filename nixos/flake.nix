{
  description = "NixOS modules for hosts that nixos-promote activates";

  outputs = _: {
    nixosModules = {
      bootGuard = ./modules/boot-guard.nix;
      closureTarget = ./modules/closure-target.nix;
      default.imports = [
        ./modules/boot-guard.nix
        ./modules/closure-target.nix
      ];
    };
  };
}
