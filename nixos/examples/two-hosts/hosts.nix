# All that the two hosts may differ in. What host.nix does not know of cannot stand here.
{
  # Builds, rehearses, stands by.
  choiros-grind = {
    builds = true;
    domain = "os.staging.example.com";
    apex = "staging.example.com";
    network = {
      interface = "ens5";
      address = "192.0.2.10";
      gateway = "192.0.2.1";
    };
    disks = {
      root = "/dev/disk/by-label/nixos";
      boot = "/dev/disk/by-label/ESP";
    };
    secrets = ./secrets/choiros-grind.yaml;
  };

  # Never builds, never holds a checkout.
  choiros-prod = {
    ssm = true;
    domain = "os.example.com";
    apex = "example.com";
    network = {
      interface = "eno1";
      address = "198.51.100.20";
      gateway = "198.51.100.1";
    };
    disks = {
      root = "/dev/disk/by-uuid/2b1f6e2e-6f0e-4f0a-8f8e-0d6f0e3a9c11";
      boot = "/dev/disk/by-uuid/7C1A-22F0";
      swap = "/dev/disk/by-uuid/0a2f4d0e-9a54-4a52-9d0d-7d1b7b1c0f42";
    };
    secrets = ./secrets/choiros-prod.yaml;
  };
}
