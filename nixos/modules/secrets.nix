# What services are told in secret: files that are on the host, or, where sops-nix is imported, keys of a file in git that
# only the host can read. Nothing of it is in the store. A file that is gone after a reboot fails the evaluation, and
# not the boot.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.choiros.secrets;
  hasSops = options ? sops;
  services = cfg.services;
  withKeys = lib.filterAttrs (_: s: s.sopsKeys != [ ]) services;

  file = lib.types.strMatching "/.*";

  service.options = {
    credentials = lib.mkOption {
      type = lib.types.attrsOf file;
      default = { };
      example = {
        openai_api_key = "/opt/choiros/secrets/platform/openai_api_key";
      };
      description = "Files by the names under which the service finds them in `$CREDENTIALS_DIRECTORY` (`LoadCredential=`).";
    };

    environmentFiles = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "-?/.*");
      default = [ ];
      example = [ "/opt/choiros/secrets/platform.env" ];
      description = "Files of `NAME=value` lines (`EnvironmentFile=`). A `-` before the path: it need not be there, now or after a reboot.";
    };

    sopsKeys = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "[A-Z_][A-Z0-9_]*");
      default = [ ];
      example = [
        "OPENAI_API_KEY"
        "RESEND_API_KEY"
      ];
      description = "Keys of `sopsFile`, which the service gets as environment variables of the same names. Needs sops-nix.";
    };
  };

  isVolatile = path: lib.filter (directory: lib.hasPrefix "${directory}/" path) cfg.volatileDirectories != [ ];
  isInStore = lib.hasPrefix "${builtins.storeDir}/";

  required =
    s: lib.attrValues s.credentials ++ lib.filter (f: !lib.hasPrefix "-" f) s.environmentFiles;
  all = s: lib.attrValues s.credentials ++ map (lib.removePrefix "-") s.environmentFiles;

  templateOf = unit: "${unit}.env";

  about = unit: s: [
    {
      assertion = lib.filter isVolatile (required s) == [ ];
      message = "choiros.secrets.services.${unit}: after a reboot these would not be there, and the service would not start: ${lib.concatStringsSep ", " (lib.filter isVolatile (required s))}. Keep them elsewhere, or put - before an environment file that may be missing.";
    }
    {
      assertion = lib.filter isInStore (all s) == [ ];
      message = "choiros.secrets.services.${unit}: these are in the store, where everybody may read them: ${lib.concatStringsSep ", " (lib.filter isInStore (all s))}.";
    }
    {
      assertion = s.sopsKeys == [ ] || (hasSops && cfg.sopsFile != null);
      message = "choiros.secrets.services.${unit}.sopsKeys needs the module of sops-nix among the host's modules, and choiros.secrets.sopsFile.";
    }
  ];
in
{
  options.choiros.secrets = {
    services = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule service);
      default = { };
      description = "By the name of the service, such as `hypervisor`.";
    };

    volatileDirectories = lib.mkOption {
      type = lib.types.listOf file;
      default = [
        "/run"
        "/var/run"
        "/tmp"
        "/dev/shm"
      ];
      description = "What is below them is gone after a reboot.";
    };

    sopsFile = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = lib.literalExpression "./secrets/platform.sops.yaml";
      description = "The encrypted file in git.";
    };

    ageKeyFile = lib.mkOption {
      type = file;
      default = "/var/lib/sops-nix/key.txt";
      description = "The host's own key, by which the encrypted file is read.";
    };
  };

  config = {
    assertions =
      lib.flatten (lib.mapAttrsToList about services)
      ++ lib.optional (withKeys != { }) {
        assertion = !(isVolatile cfg.ageKeyFile) && !(isInStore cfg.ageKeyFile);
        message = "choiros.secrets.ageKeyFile, ${cfg.ageKeyFile}, has to survive a reboot, and must not be in the store.";
      };

    systemd.services = lib.mapAttrs (unit: s: {
      serviceConfig = {
        LoadCredential = lib.mapAttrsToList (name: path: "${name}:${path}") s.credentials;
        EnvironmentFile =
          s.environmentFiles
          ++ lib.optional (hasSops && s.sopsKeys != [ ]) config.sops.templates.${templateOf unit}.path;
      };
    }) services;
  }
  // lib.optionalAttrs hasSops {
    sops = lib.mkIf (withKeys != { }) {
      defaultSopsFile = lib.mkIf (cfg.sopsFile != null) cfg.sopsFile;
      age.keyFile = cfg.ageKeyFile;
      secrets = lib.genAttrs (lib.unique (lib.concatMap (s: s.sopsKeys) (lib.attrValues withKeys))) (_: { });
      templates = lib.mapAttrs' (
        unit: s:
        lib.nameValuePair (templateOf unit) {
          content = lib.concatMapStrings (key: "${key}=${config.sops.placeholder.${key}}\n") s.sopsKeys;
          # A rotated secret reaches the service with the switch that brings it.
          restartUnits = [ "${unit}.service" ];
        }
      ) withKeys;
    };
  };
}
