# The scripts that a switch runs: activate, dry-activate, the checks before a switch.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  # Snippets in the order of their `deps`; plain text has none.
  snippets = lib.mapAttrs (
    _: s:
    if builtins.isString s then
      {
        text = s;
        deps = [ ];
      }
    else
      { deps = [ ]; } // s
  ) config.system.activationScripts;

  visit =
    done: name:
    if builtins.elem name done then
      done
    else
      builtins.foldl' visit done snippets.${name}.deps ++ [ name ];
  order = builtins.foldl' visit [ ] (lib.attrNames snippets);

  # As in NixOS a snippet that fails is named, the others still run, and the end status is 1.
  guarded = name: ''
    #### ${name}
    _localstatus=0
    ${snippets.${name}.text}
    if (( _localstatus > 0 )); then
      printf "Activation script snippet '%s' failed (%s)\n" ${name} "$_localstatus"
    fi
  '';

  # The components whose change wants a reboot, by name, as nixpkgs writes them.
  inhibitors = builtins.toJSON (lib.mapAttrs (_: toString) config.system.switch.inhibitors);
in
{
  options = {
    system.activationScripts = lib.mkOption { default = { }; };
    system.preSwitchChecks = lib.mkOption { default = { }; };
    system.switch.inhibitors = lib.mkOption { default = { }; };
    system.dryActivationScript = lib.mkOption { default = ""; };
    system.build.activate = lib.mkOption { };
    system.build.preSwitchChecks = lib.mkOption { };
    system.build.inhibitSwitch = lib.mkOption { };
  };

  config.system = {
    activationScripts.etc = builtins.readFile ../setup-etc.sh;
    activationScripts.var = ''
      mkdir -p /var/log /var/lib /nix/var/nix/gcroots
      for system in current-system booted-system; do
        if [[ ! -L /nix/var/nix/gcroots/$system ]]; then
          ln -s "/run/$system" "/nix/var/nix/gcroots/$system"
        fi
      done
    '';

    switch.inhibitors.systemd = "systemd-257";
    preSwitchChecks.switchInhibitors = builtins.readFile ../switch-inhibitors.sh;

    # @out@ is filled in when the system is put together.
    build.activate = ''
      #!/bin/bash
      # Makes this system's files the current ones. Runs before systemd at boot, so it may not
      # talk to it.
      systemConfig='@out@'
      export PATH=/usr/sbin:/usr/bin:/sbin:/bin
      _status=0
      trap "_status=1 _localstatus=\$?" ERR
      umask 0022

    ''
    + lib.concatMapStrings guarded order
    + ''
      ln -sfn "$(readlink -f "$systemConfig")" /run/current-system
      exit $_status
    '';

    build.inhibitSwitch = builtins.toFile "switch-inhibitors" inhibitors;

    build.preSwitchChecks = pkgs.writeScript "pre-switch-checks" (
      "#!/bin/bash\n# Called with the new system and the action; any failure stops the switch.\n"
      + lib.concatMapAttrsStrings (name: text: ''
        # ${name}
        (
        set -e
        ${text}
        ) || { echo "Pre-switch check '${name}' failed" >&2; exit 1; }
      '') config.system.preSwitchChecks
    );
  };
}
