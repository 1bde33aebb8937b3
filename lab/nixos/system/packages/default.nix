# Our programs. Each is a directory with bin or share; its name carries the version.
{ pkgs }:
let
  program =
    name: version: source:
    pkgs.run "${name}-${version}" { inherit source version; } ''
      mkdir -p "$out/bin"
      sed "s|@version@|$version|g; s|@out@|$out|g" "$source" > "$out/bin/${name}"
      chmod +x "$out/bin/${name}"
    '';
  versions = import ./versions.nix;
in
{
  hypervisor = program "hypervisor" versions.hypervisor ./hypervisor/hypervisor.py;
  sandbox = program "sandbox" versions.sandbox-dev ./sandbox/sandbox.py;
  sandbox-live = program "sandbox" versions.sandbox-live ./sandbox/sandbox.py;

  desktop = pkgs.run "desktop-${versions.desktop}" { source = ./desktop; } ''
    mkdir -p "$out/share/desktop"
    for file in "$source"/*; do
      sed "s|@version@|${versions.desktop}|g" "$file" > "$out/share/desktop/''${file##*/}"
    done
  '';

  containers = pkgs.run "containers-1.0" { source = ./containers; } ''
    mkdir -p "$out/bin"
    cp "$source"/* "$out/bin/"
    chmod +x "$out"/bin/*
  '';

  tools = pkgs.run "nixos-tools-1.0" { source = ./tools; } ''
    mkdir -p "$out/bin"
    cp "$source"/* "$out/bin/"
    chmod +x "$out"/bin/*
  '';
}
