# The builders. Every derivation is one run of /bin/sh with Debian's coreutils, and takes
# milliseconds; nothing comes from the network.
{ lib, system }:
rec {
  # name, a shell script that makes $out, and variables for it. The script ends with a builtin:
  # a program in its last place would be exec'ed, and Nix kills what has closed its output but has
  # not quite ended.
  run =
    name: variables: script:
    derivation (
      {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-euc"
          "${script}\nexit 0\n"
        ];
        PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
        preferLocalBuild = true;
        allowSubstitutes = false;
      }
      // variables
    );

  writeText = name: text: run name { inherit text; } ''printf %s "$text" > "$out"'';

  writeScript =
    name: text: run name { inherit text; } ''printf %s "$text" > "$out"; chmod +x "$out"'';

  # A directory of links: { "path/in/it" = target; }.
  linkFarm =
    name: links:
    run name
      {
        names = lib.attrNames links;
        targets = map (t: "${t}") (lib.attrValues links);
      }
      ''
        set -f
        mkdir -p "$out"
        set -- $targets
        made=
        for name in $names; do
          case $name in
            */*) dir=''${name%/*}; case " $made " in *" $dir "*) ;; *) mkdir -p "$out/$dir"; made="$made $dir" ;; esac ;;
          esac
          ln -s "$1" "$out/$name"
          shift
        done
      '';

  # Debian's own programs, by the names that nixpkgs has for their packages.
  runtimeShell = "/bin/bash";
  bash = fromDebian "bash" [ "bash" ];
  curl = fromDebian "curl" [ "curl" ];
  git = fromDebian "git" [ "git" ];
  nix = fromDebian "nix" [ "nix" "nix-env" "nix-store" ];
  nodejs = fromDebian "nodejs" [ "node" ];
  openssh = fromDebian "openssh" [ "ssh" ];
  pulumi = fromDebian "pulumi" [ "pulumi" ];
  systemd = run "debian-systemd" { } ''
    mkdir -p "$out/lib"
    ln -s /usr/bin "$out/bin"
    ln -s /usr/lib/systemd "$out/lib/systemd"
  '';

  writeShellScript = name: text: writeScript name "#!/bin/bash\n${text}";

  fromDebian =
    name: programs:
    run "debian-${name}" { inherit programs; } ''
      mkdir -p "$out/bin"
      for program in $programs; do ln -s "/usr/bin/$program" "$out/bin/"; done
    '';
}
