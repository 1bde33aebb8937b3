"""What surrounds a switch: the wrapper's environment, checks, boot loader, sync, versions."""

import os

from console import Failure, die, say
from processes import run

REQUIRED = ("OUT", "TOPLEVEL", "DISTRO_ID", "PRE_SWITCH_CHECK", "INSTALL_BOOTLOADER", "SYSTEMD")


class Environment:
    """The variables that the wrapper in the toplevel sets."""

    def __init__(self):
        values = {}
        for name in REQUIRED:
            if name not in os.environ:
                raise Failure(
                    f"missing required environment variable ${name}",
                    "environment variable not found",
                )
            values[name] = os.environ[name]
        self.out = values["OUT"]
        self.toplevel = values["TOPLEVEL"]
        self.distro_id = values["DISTRO_ID"]
        self.check = values["PRE_SWITCH_CHECK"]
        self.boot_loader = values["INSTALL_BOOTLOADER"]
        self.systemd = values["SYSTEMD"]

    def is_nixos(self):
        if os.path.isfile("/etc/NIXOS"):
            return True
        try:
            with open("/etc/os-release", encoding="utf-8") as file:
                ids = [line[3:].strip().strip('"') for line in file if line.startswith("ID=")]
        except OSError as error:
            raise Failure("Failed to parse os-release", "Failed to read /etc/os-release", error)
        return self.distro_id in ids


def pre_switch_check(env, action):
    if os.environ.get("NIXOS_NO_CHECK") == "1":
        return True
    if run([*env.check.split(), env.toplevel, action]) == 0:
        return True
    say("Pre-switch checks failed")
    return False


def install_boot_loader(env):
    if run([*env.boot_loader.split(), env.toplevel]) == 0:
        return True
    say("Failed to install bootloader")
    return False


def sync_store():
    """In case the new system hangs the machine."""
    if os.environ.get("NIXOS_NO_SYNC") != "1":
        if run(["/usr/bin/sync", "-f", "/nix/store"]) != 0:
            raise Failure("Failed to sync /nix/store")


def same_init_interface(env):
    """Without a current system, nothing is the same: a first activation goes through a boot."""
    try:
        with open(f"{env.toplevel}/init-interface-version", encoding="utf-8") as file:
            new = file.read()
    except OSError as error:
        raise Failure("File init-interface-version should exist", error)
    try:
        with open("/run/current-system/init-interface-version", encoding="utf-8") as file:
            return file.read() == new
    except OSError:
        return new == ""


def systemd_differs(env):
    """Process 1 is another program, or its configuration another file (by resolved path)."""
    new = f"{env.systemd}/lib/systemd/systemd"
    if not os.path.exists(new):
        os._exit(die(new))
    return os.path.realpath("/proc/1/exe") != os.path.realpath(new) or os.path.realpath(
        "/etc/systemd/system.conf"
    ) != os.path.realpath(f"{env.toplevel}/etc/systemd/system.conf")
