# What every host has, with or without our services.
{ packages, ... }:
{
  system.stateVersion = "25.11";
  environment.systemPackages = [ packages.tools ];
}
