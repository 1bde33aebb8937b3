# users.users and users.groups: one JSON file, as nixpkgs writes it, which the activation script hands to a program.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  flag = option types.bool false;
  text = option (types.nullOr types.str) null;
  number = option (types.nullOr types.int) null;
  list = of: option (types.listOf of) [ ];
  module = options: types.submodule { inherit options; };
  cfg = config.users;

  user = module {
    uid = number;
    isSystemUser = flag;
    isNormalUser = flag;
    description = option types.str "";
    group = option types.str "";
    extraGroups = list types.str;
    home = option types.str "/var/empty";
    homeMode = option types.str "700";
    createHome = flag;
    shell = option types.str "/usr/sbin/nologin";
    expires = text;
    autoSubUidGidRange = flag;
    subUidRanges = list types.attrs;
    subGidRanges = list types.attrs;
    password = text;
    hashedPassword = text;
    hashedPasswordFile = text;
    initialPassword = text;
    initialHashedPassword = text;
    openssh.authorizedKeys.keys = list types.str;
    openssh.authorizedKeys.keyFiles = list types.path;
  };

  group = module {
    gid = number;
    members = list types.str;
  };

  spec = builtins.toJSON {
    inherit (cfg) mutableUsers;
    users = lib.mapAttrsToList (name: user: {
      inherit name;
      inherit (user)
        uid
        group
        description
        home
        homeMode
        createHome
        isSystemUser
        shell
        expires
        autoSubUidGidRange
        subUidRanges
        subGidRanges
        password
        hashedPassword
        hashedPasswordFile
        initialPassword
        initialHashedPassword
        ;
    }) cfg.users;
    groups = lib.mapAttrsToList (name: group: {
      inherit name;
      inherit (group) gid;
      members = lib.unique (
        group.members ++ lib.filter (user: builtins.elem name cfg.users.${user}.extraGroups) (lib.attrNames cfg.users)
      );
    }) cfg.groups;
  };
  # A password is never the name of anything.
  file =
    if builtins.getContext spec == { } then
      builtins.toFile "users-groups.json" spec
    else
      pkgs.writeText "users-groups.json" spec;
in
{
  options.users = {
    mutableUsers = option types.bool true;
    users = option (types.attrsOf user) { };
    groups = option (types.attrsOf group) { };
  };

  config = {
    users.users.root.uid = 0;
    users.groups.root.gid = 0;
    users.groups.wheel = { };

    # The program takes as long as all else of an activation, so only when there is news.
    system.activationScripts.users = ''
      declared=/var/lib/nixos/declared
      if [[ $(cat "$declared" 2>/dev/null) != ${file} ]]; then
        /usr/bin/python3 -I -S ${../update-users-groups.py} ${file}
        printf '%s\n' ${file} > "$declared"
      fi
    '';
  };
}
