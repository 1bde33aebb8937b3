# For hosts that take their system as a finished closure: it carries what a host cannot know from the closure alone.
{ config, ... }:
{
  # So that a release with a lower system.stateVersion can be refused.
  system.extraSystemBuilderCmds = ''
    printf '%s\n' '${config.system.stateVersion}' > "$out/state-version"
  '';
}
