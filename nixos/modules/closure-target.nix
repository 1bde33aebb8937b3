# A host that takes its system as a finished closure: whose signatures it trusts, how it is reached, and what it must
# never do by itself.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.nixos-promote.closureTarget;
  root = config.users.users.root or { };
in
{
  imports = [
    ./boot-guard.nix
    ./gc.nix
  ];

  options.nixos-promote.closureTarget = {
    enable = lib.mkEnableOption "what a host needs that takes its system as a finished closure";

    trustedKeys = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "[^:[:space:]]+:[A-Za-z0-9+/=]+");
      default = [ ];
      example = [ "choiros-grind-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      description = "Public keys of the builders whose closures this host accepts. Without the signature of one of them a copy is refused.";
    };

    authorizedKeys = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Public ssh keys of those who may activate a system here, and of the builder that copies to it; they become root's.";
    };

    ssm.enable = lib.mkEnableOption "the agent of AWS Systems Manager, which no switch restarts: it would take the switch that it runs for others down with it. A new agent runs from the next boot on";

    builds = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether this host may build. One that is short of a path then fetches it from a cache or fails, and does not run out of memory.";
    };

    checkout = lib.mkOption {
      type = lib.types.nullOr (lib.types.strMatching "/[A-Za-z0-9/._+-]+");
      default = null;
      example = "/opt/choiros/deploy-repo";
      description = "Where this host's checkout is, with the strategy `flake`. Needs `builds`.";
    };

    linkDirectories = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "/.*");
      default = [ ];
      example = [ "/opt/choiros/bin" ];
      description = "Directories of links to programs of a release (`activation.links`); made if they are not there.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion =
          cfg.authorizedKeys != [ ]
          || cfg.ssm.enable
          || root.openssh.authorizedKeys.keys or [ ] != [ ]
          || root.openssh.authorizedKeys.keyFiles or [ ] != [ ];
        message = "nixos-promote.closureTarget: nobody could reach this host after the switch. Set authorizedKeys, or ssm.enable.";
      }
      {
        assertion = cfg.checkout == null || cfg.builds;
        message = "nixos-promote.closureTarget: a host with a checkout builds its system itself. Set builds = true, or take checkout away.";
      }
    ];

    nixos-promote.bootGuard.enable = lib.mkDefault true;
    nixos-promote.gc.enable = lib.mkDefault true;

    nix.settings = {
      trusted-public-keys = cfg.trustedKeys;
      require-sigs = true;
    }
    // lib.optionalAttrs (!cfg.builds) { max-jobs = 0; };

    users.users.root.openssh.authorizedKeys.keys = cfg.authorizedKeys;
    services.openssh = lib.mkIf (cfg.authorizedKeys != [ ]) {
      enable = true;
      settings.PasswordAuthentication = lib.mkDefault false;
    };

    services.amazon-ssm-agent.enable = lib.mkIf cfg.ssm.enable true;
    systemd.services.amazon-ssm-agent = lib.mkIf cfg.ssm.enable {
      restartIfChanged = false;
      stopIfChanged = false;
    };

    environment.systemPackages = lib.optional (cfg.checkout != null) pkgs.git;

    systemd.tmpfiles.rules = [
      "d /var/lib/nixos-promote 0700 root root -"
      "d /nix/var/nix/gcroots/nixos-promote 0755 root root -"
    ]
    ++ map (directory: "d ${directory} 0755 root root -") cfg.linkDirectories
    ++ lib.optional (cfg.checkout != null) "d ${dirOf cfg.checkout} 0755 root root -";

    # So that a release with a lower system.stateVersion can be refused: a host cannot know it from the closure alone.
    system.extraSystemBuilderCmds = ''
      printf '%s\n' '${config.system.stateVersion}' > "$out/state-version"
    '';
  };
}
