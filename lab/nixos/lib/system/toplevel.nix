# Puts the system together: one directory that holds or links everything a host runs.
{
  config,
  lib,
  pkgs,
  system,
  ...
}:
let
  build = config.system.build;

  wrapper = ''
    #!/bin/sh
    # Says where this system is and what belongs to it, then does the switch. The file below /etc/lab,
    # if a host has one, takes the stand-in's place (the real program, for a comparison).
    export OUT=@out@ TOPLEVEL=@out@ DISTRO_ID=nixos
    export PRE_SWITCH_CHECK='${build.preSwitchChecks}'
    export INSTALL_BOOTLOADER='${build.installBootLoader}'
    export SYSTEMD=/usr
    if [ -x /etc/lab/switch-to-configuration ]; then
      exec /etc/lab/switch-to-configuration "$@"
    fi
    exec /usr/bin/python3 -I -S -B ${../../switch-to-configuration} "$@"
  '';

  init = ''
    #!/bin/bash
    # What a lab host runs as process 1: activate this system, then become systemd.
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin
    @out@/activate
    ln -sfn @out@ /run/booted-system
    exec /usr/lib/systemd/systemd "$@"
  '';
in
{
  options = {
    system.stateVersion = lib.mkOption { default = "25.11"; };
    system.configurationRevision = lib.mkOption { default = null; };
    system.nixos.release = lib.mkOption { default = "26.05"; };
    system.nixos.label = lib.mkOption { };
    system.name = lib.mkOption { default = config.networking.hostName; };
    system.extraSystemBuilderCmds = lib.mkOption { default = ""; };
    system.build.toplevel = lib.mkOption { };
  };

  config.system.nixos.label = lib.mkDefault "${config.system.nixos.release}.lab";

  config.system.build.toplevel = config.system.checked (
    pkgs.run "nixos-system-${config.system.name}-${config.system.nixos.label}"
      {
        inherit wrapper init;
        inherit (build) activate etc kernel;
        dryActivate = "#!/bin/bash\nsystemConfig='@out@'\n${config.system.dryActivationScript}";
        initrd = build.initialRamdisk;
        sw = config.system.path;
        inhibitors = build.inhibitSwitch;
        label = config.system.nixos.label;
        interfaceVersion = toString config.boot.initInterfaceVersion;
        params = toString config.boot.kernelParams;
        # In the closure, as in NixOS: a copied system can be inspected without its builder.
        revision = toString config.system.configurationRevision;
      }
      ''
        script() { # name text
          printf '%s' "$2" | sed "s|@out@|$out|g" > "$out/$1"
          chmod +x "$out/$1"
        }
        mkdir -p "$out/bin"
        script bin/switch-to-configuration "$wrapper"
        script activate "$activate"
        script dry-activate "$dryActivate"
        script init "$init"
        ln -s "$etc" "$out/etc"
        ln -s "$kernel/bzImage" "$out/kernel"
        ln -s "$initrd/initrd" "$out/initrd"
        ln -s "$sw" "$out/sw"
        ln -s "$inhibitors" "$out/switch-inhibitors"
        ln -s /usr "$out/systemd"
        printf %s "$label" > "$out/nixos-version"
        printf %s '${system}' > "$out/system"
        printf 'systemd %s' "$interfaceVersion" > "$out/init-interface-version"
        printf %s "$params" > "$out/kernel-params"
        if [ -n "$revision" ]; then printf %s "$revision" > "$out/configuration-revision"; fi
        ${config.system.extraSystemBuilderCmds}
      ''
  );
}
