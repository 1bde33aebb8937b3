# A runner of GitHub's on a host of yours: a fresh one for each job. It may ask the Nix daemon to build, and has no other
# right on the host.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.nixos-promote.githubRunner;
in
{
  options.nixos-promote.githubRunner = {
    enable = lib.mkEnableOption "a self-hosted runner";

    name = lib.mkOption {
      type = lib.types.strMatching "[A-Za-z0-9-]+";
      default = config.networking.hostName;
      defaultText = lib.literalExpression "config.networking.hostName";
      description = "Its name at GitHub.";
    };

    url = lib.mkOption {
      type = lib.types.strMatching "https://.*";
      example = "https://github.com/example/fleet";
      description = "The repository or organization that it works for.";
    };

    tokenFile = lib.mkOption {
      type = lib.types.strMatching "/.*";
      example = "/var/lib/nixos-promote/keys/github-runner.token";
      description = "The file with a fine-grained personal access token that may register runners. A registration token lasts an hour, and is of no use to a runner that registers for each job anew.";
    };

    labels = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ "nixos" ];
      description = "What workflows ask for in `runs-on`, beside `self-hosted`.";
    };

    packages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.nodejs_24 pkgs.pulumi ]";
      description = "Programs for its jobs, beside git, Nix and ssh.";
    };

    deployKeyFile = lib.mkOption {
      type = lib.types.nullOr (lib.types.strMatching "/.*");
      default = null;
      example = "/var/lib/nixos-promote/keys/deploy";
      description = "The ssh key by which its jobs reach the hosts; they find it as `$CREDENTIALS_DIRECTORY/deploy-key`. So GitHub holds none.";
    };

    user = lib.mkOption {
      type = lib.types.str;
      default = "github-runner";
      description = "The account that it runs as, which is made for it.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !(builtins.elem cfg.user (config.nix.settings.trusted-users or [ ]));
        message = "nixos-promote.githubRunner: ${cfg.user} is in nix.settings.trusted-users, which makes every workflow root on this host. Take it out; to use the daemon, allowed-users is enough.";
      }
      {
        assertion = config.users.users.${cfg.user}.extraGroups == [ ];
        message = "nixos-promote.githubRunner: ${cfg.user} is in other groups than its own, and so is every workflow.";
      }
      {
        assertion = lib.filter (lib.hasPrefix builtins.storeDir) (lib.filter (f: f != null) [ cfg.tokenFile cfg.deployKeyFile ]) == [ ];
        message = "nixos-promote.githubRunner: tokenFile and deployKeyFile must not be in the store, where everybody may read them.";
      }
    ];

    users.users.${cfg.user} = {
      isSystemUser = true;
      group = cfg.user;
      description = "Runner of GitHub Actions";
    };
    users.groups.${cfg.user} = { };

    nix.settings.allowed-users = [
      "@wheel"
      cfg.user
    ];

    services.github-runners.${cfg.name} = {
      enable = true;
      inherit (cfg) name url tokenFile;
      user = cfg.user;
      group = cfg.user;
      ephemeral = true;
      replace = true;
      extraLabels = cfg.labels;
      extraPackages = [
        pkgs.git
        pkgs.openssh
        config.nix.package
      ]
      ++ cfg.packages;
      extraEnvironment.NIX_REMOTE = "daemon";
      # Beside what NixOS gives it already: no capabilities, no new privileges, a read-only system, no devices.
      serviceOverrides = {
        InaccessiblePaths = [
          "-/root"
          "-/home"
          "-/run/secrets"
          "-/opt"
        ];
        MemoryMax = "40%";
        TasksMax = 2048;
        CPUWeight = 50;
      }
      // lib.optionalAttrs (cfg.deployKeyFile != null) {
        LoadCredential = [ "deploy-key:${cfg.deployKeyFile}" ];
      };
    };

    # A job that switches its own host must live to see the end of it. The runner for the next job is the new one.
    systemd.services."github-runner-${cfg.name}" = {
      restartIfChanged = lib.mkForce false;
      stopIfChanged = lib.mkForce false;
    };
  };
}
