# The lab's system for as many hosts as fleet.json names, as plain NixOS systems and as nodes of deploy-rs.
# release.json says what is new in a release, and on which host it is bad.
{
  outputs =
    { self }:
    let
      nixos = import ./vendor/nixos/lib;
      pkgs = nixos.pkgsFor "x86_64-linux";
      packages = import ./packages { inherit pkgs; };
      fleet = builtins.fromJSON (builtins.readFile ./fleet.json);
      release = builtins.fromJSON (builtins.readFile ./release.json);

      mapHosts =
        f:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = f name;
          }) fleet.hosts
        );

      bad = {
        # Its process ends at once: the switch says so, and everybody can know.
        fails.serviceConfig.ExecStart = nixos.lib.mkForce "/bin/false";
        # It runs and listens elsewhere: only who asks it knows.
        silent.environment.HYPERVISOR_PORT = nixos.lib.mkForce 9191;
      };

      host =
        name:
        nixos.nixosSystem {
          system = "x86_64-linux";
          specialArgs = { inherit packages; };
          modules = [
            ./modules/choiros.nix
            {
              choiros.domain = "example.com";
              networking.hostName = name;
              system.nixos.label = "26.05.${self.shortRev}";
              system.configurationRevision = self.rev;
            }
            (if fleet.restartSeconds > 0 then slow else { })
            (
              if release.bad ? ${name} then { systemd.services.hypervisor = bad.${release.bad.${name}}; } else { }
            )
          ];
        };

      # Restarted by every switch, and takes its time.
      slow.systemd.services.slow = {
        description = "Something that takes long to start";
        wantedBy = [ "multi-user.target" ];
        environment.RELEASE = release.version;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "/bin/sleep ${toString fleet.restartSeconds}";
        };
      };

      # What lib.activate.nixos of deploy-rs makes of a system.
      activatable =
        system:
        let
          toplevel = system.config.system.build.toplevel;
        in
        pkgs.run "activatable-${toplevel.name}"
          {
            inherit toplevel;
            activate = ''
              #!/bin/bash
              set -euo pipefail
              if [[ "''${DRY_ACTIVATE:-}" == "1" ]]; then $PROFILE/bin/switch-to-configuration dry-activate
              elif [[ "''${BOOT:-}" == "1" ]]; then $PROFILE/bin/switch-to-configuration boot
              else cd /tmp; $PROFILE/bin/switch-to-configuration switch
              fi
            '';
            rs = ''
              #!/bin/bash
              exec ${./deploy-rs}/activate "$@"
            '';
          }
          ''
            mkdir -p "$out"
            for entry in "$toplevel"/*; do ln -s "$entry" "$out/"; done
            printf %s "$activate" > "$out/deploy-rs-activate"
            printf %s "$rs" > "$out/activate-rs"
            chmod +x "$out/deploy-rs-activate" "$out/activate-rs"
          '';
    in
    {
      nixosConfigurations = mapHosts host;
      deploy = {
        sshUser = "root";
        user = "root";
        nodes = mapHosts (name: {
          hostname = name;
          profiles.system.path = activatable self.nixosConfigurations.${name};
        });
      };
      all = pkgs.linkFarm "all" (
        mapHosts (name: self.nixosConfigurations.${name}.config.system.build.toplevel)
        // (
          if builtins.pathExists ./deploy-rs then
            builtins.listToAttrs (
              map (name: {
                name = "deploy-${name}";
                value = activatable self.nixosConfigurations.${name};
              }) fleet.hosts
            )
          else
            { }
        )
      );
    };
}
