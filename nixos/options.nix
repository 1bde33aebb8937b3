# Every option of the project's modules, for their documentation.
# With nixpkgs: nix eval --json --impure --expr 'import ./nixos/options.nix (import <nixpkgs/nixos/lib/eval-config.nix>) (import <nixpkgs/lib>)'
evalConfig: lib:
let
  all = evalConfig { modules = [ ./modules ]; };
in
map
  (option: {
    inherit (option) name description type;
    default = option.default.text or null;
    example = option.example.text or null;
  })
  (
    lib.filter (option: option.visible or true && !(option.internal or false)) (
      lib.optionAttrSetToDocList { inherit (all.options) choiros nixos-promote; }
    )
  )
