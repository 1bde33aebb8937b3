# systemd.services, .sockets, .timers, .targets, .slices and raw systemd.units, as one directory of units:
# what NixOS calls system-units and links from /etc/systemd/system.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  render = import ../unit-text.nix { inherit lib pkgs; };

  unitsOption = lib.mkOption {
    type = lib.types.attrsOf lib.types.anything;
    default = { };
  };

  unitsOf =
    kind: toText:
    lib.mapAttrsToList (name: declaration: {
      name = "${name}.${kind}";
      text = toText name declaration;
      declaration = declaration;
    });

  declared =
    unitsOf "service" render.service config.systemd.services
    ++ unitsOf "socket" render.socket config.systemd.sockets
    ++ unitsOf "timer" render.timer config.systemd.timers
    ++ unitsOf "target" render.target config.systemd.targets
    ++ unitsOf "slice" render.slice config.systemd.slices
    ++ lib.mapAttrsToList (name: declaration: {
      inherit name declaration;
      text = declaration.text or "";
    }) config.systemd.units;

  # A store directory with the one file in it, as NixOS makes it; so a package diff names the unit.
  unitFile =
    unit:
    if unit.declaration.enable or true then
      "${
        pkgs.run "unit-${lib.storeName unit.name}"
          {
            inherit (unit) text;
            unit = unit.name;
          }
          ''
            mkdir -p "$out"
            printf %s "$text" > "$out/$unit"
          ''
      }/${unit.name}"
    else
      "/dev/null";

  linksOf =
    unit:
    let
      of = attribute: unit.declaration.${attribute} or [ ];
      place =
        if (unit.declaration.overrideStrategy or "") == "asDropin" then
          "${unit.name}.d/overrides.conf"
        else
          unit.name;
    in
    [
      {
        name = place;
        value = unitFile unit;
      }
    ]
    ++ map (alias: {
      name = alias;
      value = unit.name;
    }) (of "aliases")
    ++ map (target: {
      name = "${target}.wants/${unit.name}";
      value = "../${unit.name}";
    }) (of "wantedBy")
    ++ map (target: {
      name = "${target}.requires/${unit.name}";
      value = "../${unit.name}";
    }) (of "requiredBy");
in
{
  options.systemd = {
    services = unitsOption;
    sockets = unitsOption;
    timers = unitsOption;
    targets = unitsOption;
    slices = unitsOption;
    units = unitsOption;
    # Links in the unit directory that no unit of ours makes: name -> target.
    links = lib.mkOption { default = { }; };
    # The text of every unit by its name, for those who want to read it.
    texts = lib.mkOption { default = { }; };
    # [Manager] settings of system.conf.
    settings.Manager = lib.mkOption { default = { }; };
  };

  config.systemd.texts = builtins.listToAttrs (
    map (unit: {
      inherit (unit) name;
      value = unit.text;
    }) declared
  );

  config.environment.etc = {
    "systemd/system".source = pkgs.linkFarm "system-units" (
      config.systemd.links // builtins.listToAttrs (lib.concatMap linksOf declared)
    );
    "systemd/system.conf".text = render.sections {
      Manager = {
        DefaultEnvironment = "PATH=/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";
      }
      // config.systemd.settings.Manager;
    };
  };
}
