# What a Debian host needs to go on living under NixOS' /etc/systemd/system: the targets whose wants
# a switch starts (they must come from /etc), and the links that enable Debian's own services.
_:
let
  debian = unit: "/usr/lib/systemd/system/${unit}";
  upstream = builtins.attrNames (builtins.readDir ../upstream-units);
in
{
  config.systemd.links =
    builtins.listToAttrs (
      map (unit: {
        name = unit;
        value = "${../upstream-units}/${unit}";
      }) upstream
    )
    // {
      "default.target" = "multi-user.target";
      "multi-user.target.wants/ssh.service" = debian "ssh.service";
      "multi-user.target.wants/remote-fs.target" = debian "remote-fs.target";
      "sshd.service" = debian "ssh.service";
      # Fails in a container, and would make every switch end with 4.
      "systemd-modules-load.service" = "/dev/null";
    };
}
