"""The activate scripts, and the units they ask to restart or reload."""

import os

from console import say
from processes import run

RESTART_REQUESTS = "/run/nixos/activation-restart-list"
RELOAD_REQUESTS = "/run/nixos/activation-reload-list"
DRY_RESTART_REQUESTS = "/run/nixos/dry-activation-restart-list"
DRY_RELOAD_REQUESTS = "/run/nixos/dry-activation-reload-list"


def activate(env):
    """Runs the new system's activate script; a failure is 2 but stops nothing."""
    say("activating the configuration...")
    script = f"{env.out}/activate"
    if not os.path.exists(script) or run([script, env.out]) == 0:
        return 0
    say("Failed to run activate script")
    return 2


def dry_activate(env):
    say("would activate the configuration...")
    run([f"{env.out}/dry-activate", env.out])
