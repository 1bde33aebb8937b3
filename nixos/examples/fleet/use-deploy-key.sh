#!/usr/bin/env bash
# For a job on the bastion: ssh, and git over ssh, use the key that the runner was given as a credential, and the host keys
# that the bastion knows. Nothing of it is at GitHub.
set -euo pipefail

config=$RUNNER_TEMP/ssh_config
printf 'Host *\n  User root\n  IdentityFile %s/deploy-key\n  IdentitiesOnly yes\n' "$CREDENTIALS_DIRECTORY" > "$config"
printf '%s\n' "NIXOS_PROMOTE_SSH_CONFIG=$config" "GIT_SSH_COMMAND=ssh -F $config" >> "$GITHUB_ENV"
