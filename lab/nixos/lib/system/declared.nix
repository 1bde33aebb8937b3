# Options of NixOS that modules may set here too. A lab host makes nothing of them: it is a Debian, with a nix.conf,
# accounts and a network of its own. They are here so that such modules can be evaluated, and are typed as in nixpkgs.
{
  lib,
  pkgs,
  system,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  flag = option types.bool false;
  text = option (types.nullOr types.str) null;
  textList = option (types.listOf types.str) [ ];
  sets = option (types.attrsOf types.attrs) { };
  module = options: types.submodule { inherit options; };

  # A container is a system of its own.
  containerSystem =
    module:
    lib.evalModules {
      modules = import ./module-list.nix ++ [
        module
        { networking.hostName = lib.mkDefault "container"; }
      ];
      specialArgs = { inherit lib pkgs system; };
    };

  # A setting of Nix: definitions that are lists become one.
  setting =
    let
      atom = types.nullOr (types.oneOf (with types; [ bool int str path package ]));
    in
    types.either atom (types.listOf atom);

  container = module {
    autoStart = flag;
    ephemeral = flag;
    restartIfChanged = option types.bool true;
    privateNetwork = flag;
    hostAddress = text;
    localAddress = text;
    bindMounts = sets;
    specialArgs = option types.attrs { };
    timeoutStartSec = option types.str "1min";
    config = mkOption {
      type = types.deferredModule;
      apply = module: (containerSystem module).config;
    };
  };

  virtualHost = module {
    extraConfig = option types.lines "";
    serverAliases = textList;
    useACMEHost = text;
  };

  runner = module {
    enable = flag;
    url = mkOption { type = types.str; };
    tokenFile = mkOption { type = types.path; };
    name = text;
    user = text;
    group = text;
    workDir = text;
    ephemeral = flag;
    replace = flag;
    extraLabels = textList;
    noDefaultLabels = flag;
    extraPackages = option (types.listOf types.package) [ ];
    extraEnvironment = option (types.attrsOf types.str) { };
    serviceOverrides = option types.attrs { };
  };

  address = module {
    address = mkOption { type = types.str; };
    prefixLength = mkOption { type = types.ints.between 0 128; };
  };
  gateway = module {
    address = mkOption { type = types.str; };
    interface = text;
  };
in
{
  options = {
    nix.settings = option (types.attrsOf setting) { };
    nix.gc = {
      automatic = flag;
      dates = option (types.either types.str (types.listOf types.str)) "03:15";
      options = option types.str "";
      persistent = option types.bool true;
      randomizedDelaySec = option types.str "0";
    };
    nix.daemonCPUSchedPolicy = option (types.enum [ "other" "batch" "idle" ]) "other";
    nix.daemonIOSchedClass = option (types.enum [ "best-effort" "idle" ]) "best-effort";
    nix.daemonIOSchedPriority = option (types.ints.between 0 7) 4;
    nix.package = option types.package pkgs.nix;

    networking = {
      domain = text;
      useDHCP = option types.bool true;
      useHostResolvConf = flag;
      nameservers = textList;
      defaultGateway = option (types.nullOr gateway) null;
      defaultGateway6 = option (types.nullOr gateway) null;
      interfaces = option (types.attrsOf (module {
        ipv4.addresses = option (types.listOf address) [ ];
        ipv6.addresses = option (types.listOf address) [ ];
      })) { };
      firewall.enable = option types.bool true;
      firewall.allowedTCPPorts = option (types.listOf types.port) [ ];
      firewall.interfaces = option (types.attrsOf (module {
        allowedTCPPorts = option (types.listOf types.port) [ ];
      })) { };
      nat = {
        enable = flag;
        internalInterfaces = textList;
        externalInterface = text;
      };
    };

    services.openssh.enable = flag;
    services.openssh.settings = option (types.attrsOf types.anything) { };
    services.resolved.enable = flag;
    services.amazon-ssm-agent.enable = flag;
    services.caddy = {
      enable = flag;
      email = text;
      globalConfig = option types.lines "";
      virtualHosts = option (types.attrsOf virtualHost) { };
    };
    services.nix-serve = {
      enable = flag;
      bindAddress = option types.str "0.0.0.0";
      port = option types.port 5000;
      secretKeyFile = text;
    };
    services.harmonia.cache = {
      enable = flag;
      signKeyPaths = option (types.listOf types.path) [ ];
      settings = option (types.attrsOf types.anything) { };
    };
    services.cachix-watch-store = {
      enable = flag;
      cacheName = mkOption { type = types.str; };
      cachixTokenFile = mkOption { type = types.path; };
      signingKeyFile = option (types.nullOr types.path) null;
    };
    services.github-runners = option (types.attrsOf runner) { };

    programs.ssh.extraConfig = option types.lines "";
    programs.ssh.knownHosts = option (types.attrsOf (module {
      hostNames = textList;
      publicKey = text;
    })) { };

    containers = option (types.attrsOf container) { };

    fileSystems = option (types.attrsOf (module {
      device = text;
      fsType = option types.str "auto";
      options = option (types.listOf types.str) [ "defaults" ];
      neededForBoot = flag;
    })) { };
    swapDevices = option (types.listOf types.attrs) [ ];
    boot.loader = {
      grub = {
        enable = flag;
        device = option types.str "";
        efiSupport = flag;
        efiInstallAsRemovable = flag;
      };
      systemd-boot.enable = flag;
      efi.canTouchEfiVariables = flag;
    };

    security.sudo.enable = option types.bool true;
    system.extraDependencies = option (types.listOf types.package) [ ];
    systemd.tmpfiles.rules = textList;
    systemd.package = option types.package pkgs.systemd;
  };
}
