[
  ./environment.nix
  ./systemd.nix
  ./boot.nix
  ./activation.nix
  ./toplevel.nix
  ./debian.nix
]
