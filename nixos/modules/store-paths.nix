# Every service of a release is run from the store: only then does a switch bring the release's programs, and only then can
# be told what a process was made from. A service that still points at a directory of installed binaries fails the evaluation.
{ config, lib, ... }:
let
  cfg = config.nixos-promote.storePaths;

  # What a unit may start, and what it hands on.
  textOf =
    service:
    lib.concatStringsSep "\n" (
      lib.flatten [
        (lib.mapAttrsToList (_: toString) (lib.filterAttrs (key: _: lib.hasPrefix "Exec" key) service.serviceConfig or { }))
        (lib.mapAttrsToList (_: toString) (service.environment or { }))
        (map (phase: toString (service.${phase} or "")) [
          "script"
          "preStart"
          "postStart"
          "preStop"
          "postStop"
          "reload"
        ])
      ]
    );

  isForbidden = service: lib.filter (directory: lib.hasInfix directory (textOf service)) cfg.forbidden != [ ];
  guilty = services: lib.attrNames (lib.filterAttrs (_: isForbidden) services);
  outside = map (name: "${name}.service") (guilty config.systemd.services);
  inside = lib.flatten (
    lib.mapAttrsToList (
      container: c: map (name: "${name}.service in the container ${container}") (guilty (servicesIn c))
    ) (config.containers or { })
  );
  # A container may also be a finished system, of which nothing is known here.
  servicesIn =
    container:
    let
      known = builtins.tryEval container.config.systemd.services;
    in
    if known.success then known.value else { };
in
{
  options.nixos-promote.storePaths = {
    enable = lib.mkEnableOption "the assertion that no service is run from a directory outside the store";

    forbidden = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ "/opt/choiros/bin" ];
      description = "Directories that no service may point at, containers included. With `activation.links` in the stack, leave out the one that the links are in.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = outside ++ inside == [ ];
        message = "Not run from the store, but from ${lib.concatStringsSep " or " cfg.forbidden}: ${lib.concatStringsSep ", " (outside ++ inside)}. Point ExecStart at the package, so that a switch brings its new version; for programs behind links, see nixos-promote.storePaths.forbidden.";
      }
    ];
  };
}
