# The text of unit files from the attributes that NixOS modules use.
{ lib, pkgs }:
let
  show = v: if v == true then "true" else if v == false then "false" else toString v;

  # Lists repeat the key; null leaves it out.
  lines =
    lib.concatMapAttrsStrings (
      key: value: lib.concatMapStrings (v: "${key}=${show v}\n") (lib.filter (v: v != null) (lib.toList value))
    );

  sections = lib.concatMapAttrsStrings (name: keys: "[${name}]\n${lines keys}\n");

  words = key: list: lib.optionalAttrs (list != [ ]) { ${key} = lib.concatStringsSep " " list; };

  unitKeys = {
    after = "After";
    before = "Before";
    bindsTo = "BindsTo";
    conflicts = "Conflicts";
    onFailure = "OnFailure";
    partOf = "PartOf";
    requires = "Requires";
    requisite = "Requisite";
    restartTriggers = "X-Restart-Triggers";
    reloadTriggers = "X-Reload-Triggers";
    wants = "Wants";
  };

  unitSection =
    u:
    lib.optionalAttrs (u ? description) { Description = u.description; }
    // builtins.foldl' (all: name: all // words unitKeys.${name} (map toString (u.${name} or [ ]))) { } (
      lib.attrNames unitKeys
    )
    // u.unitConfig or { };

  quote = v: builtins.replaceStrings [ "\\" "\"" "%" ] [ "\\\\" "\\\"" "%%" ] (toString v);

  scriptFile = name: phase: text: pkgs.writeScript "unit-script-${lib.storeName name}-${phase}" "#!/bin/sh\nset -e\n${text}";

  serviceSection =
    name: s:
    lib.optionalAttrs (s ? environment) {
      Environment = lib.mapAttrsToList (key: value: "\"${key}=${quote value}\"") s.environment;
    }
    // lib.optionalAttrs (s ? preStart) { ExecStartPre = scriptFile name "pre-start" s.preStart; }
    // lib.optionalAttrs (s ? script) { ExecStart = scriptFile name "start" s.script; }
    // lib.optionalAttrs (s ? preStop) { ExecStop = scriptFile name "pre-stop" s.preStop; }
    // lib.optionalAttrs (s ? postStop) { ExecStopPost = scriptFile name "post-stop" s.postStop; }
    // lib.optionalAttrs (s.reloadIfChanged or false) { X-ReloadIfChanged = true; }
    // lib.optionalAttrs (!(s.restartIfChanged or true)) { X-RestartIfChanged = false; }
    // lib.optionalAttrs (!(s.stopIfChanged or true)) { X-StopIfChanged = false; }
    // lib.optionalAttrs (s.notSocketActivated or false) { X-NotSocketActivated = true; }
    // s.serviceConfig or { };

  withUnit =
    u: rest:
    let
      unit = unitSection u;
    in
    sections (lib.optionalAttrs (unit != { }) { Unit = unit; })
    + sections (lib.filterAttrs (_: keys: keys != { }) rest);
in
{
  inherit sections;
  service = name: s: withUnit s { Service = serviceSection name s; };
  socket =
    _: s:
    withUnit s {
      Socket = words "ListenStream" (s.listenStreams or [ ]) // s.socketConfig or { };
    };
  timer = _: t: withUnit t { Timer = t.timerConfig or { }; };
  target = _: t: withUnit t { };
  slice = _: s: withUnit s { Slice = s.sliceConfig or { }; };
}
