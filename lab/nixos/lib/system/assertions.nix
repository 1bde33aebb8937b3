# What a module may insist on, and what it may warn of: as in NixOS, no system comes of a failed assertion.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.raw;
      default = [ ];
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    # What it is given, once every assertion holds.
    system.checked = mkOption { };
  };

  config.system.checked =
    value:
    if failed != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (message: "- ${message}") failed}"
    else
      builtins.foldl' (checked: warning: builtins.trace "evaluation warning: ${warning}" checked) value config.warnings;
}
