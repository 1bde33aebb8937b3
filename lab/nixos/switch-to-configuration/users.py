"""The units of people who are logged in: their managers read their definitions again."""

import os

from bus import Bus, BusError
from console import Failure, say

NAME = "org.freedesktop.login1"


def reload_units():
    """Visits every user that logind knows; False if one could not be reached."""
    bus = Bus("/run/dbus/system_bus_socket")
    try:
        (users,) = bus.call(NAME, "/org/freedesktop/login1", NAME + ".Manager", "ListUsers")
    except BusError as error:
        say(f"Unable to list users with logind: {error}")
        os._exit(1)
    reached = True
    for uid, name, path in users:
        say(f"reloading user units for {name}...")
        properties = []
        for key in ("GID", "RuntimePath"):
            try:
                properties += bus.call(
                    NAME, path, "org.freedesktop.DBus.Properties", "Get", "ss", NAME + ".User", key
                )
            except BusError as error:
                raise Failure(f"Failed to get {key} for {name}", error) from None
        if not _as_user(uid, *properties):
            say(f"warning: user activation for {name} failed")
            reached = False
    return reached


def _as_user(uid, gid, runtime_path):
    child = os.fork()
    if child == 0:
        os._exit(_reload(uid, gid, runtime_path))
    _, status = os.waitpid(child, 0)
    return status == 0


def _reload(uid, gid, runtime_path):
    """In a process of the user: systemd of the session reads its units again."""
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        bus = Bus(f"{runtime_path}/bus")
        systemd = "org.freedesktop.systemd1"
        for method in ("ResetFailed", "Reload"):
            bus.call(systemd, "/org/freedesktop/systemd1", systemd + ".Manager", method)
    except (OSError, BusError) as error:
        say(f"Error: Failed to open dbus connection\n\nCaused by:\n    {error}")
        return 1
    return 0
