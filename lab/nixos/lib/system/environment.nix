# /etc and the command path: environment.etc, environment.systemPackages, networking.hostName.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  # Text without references to build results needs no derivation.
  textFile =
    name: text:
    if builtins.getContext text == { } then builtins.toFile name text else pkgs.writeText name text;
  sourceOf =
    path: entry: entry.source or (textFile "etc-${lib.storeName (baseNameOf path)}" entry.text);
  enabled = lib.filterAttrs (_: entry: entry.enable or true) config.environment.etc;
in
{
  options = {
    environment.etc = lib.mkOption { default = { }; };
    environment.systemPackages = lib.mkOption { default = [ ]; };
    networking.hostName = lib.mkOption { default = "nixos"; };
    networking.hosts = lib.mkOption { default = { }; };
    system.build.etc = lib.mkOption { };
    system.path = lib.mkOption { };
  };

  config = {
    environment.etc.hostname.text = config.networking.hostName + "\n";
    environment.etc.issue.text = lib.mkDefault "A host of the lab.\n";

    system.build.etc = pkgs.linkFarm "etc" (lib.mapAttrs sourceOf enabled);

    # Every program of every package, in one bin directory, after those that every NixOS has.
    system.path = pkgs.run "system-path" { packages = config.environment.systemPackages; } ''
      mkdir -p "$out/bin"
      for program in bash cat curl find flock gawk getent grep gzip head nix nix-env nix-store sed sh ss systemctl tail tar; do
        ln -s "/usr/bin/$program" "$out/bin/"
      done
      for package in $packages; do
        for program in "$package"/bin/*; do
          if [ -e "$program" ]; then ln -s "$program" "$out/bin/"; fi
        done
      done
    '';
  };
}
