"""systemd, by its D-Bus interface."""

import time

from bus import Bus, BusError
from console import Failure, say

NAME = "org.freedesktop.systemd1"
PATH = "/org/freedesktop/systemd1"
INTERFACE = "org.freedesktop.systemd1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"
RELOAD_TIMEOUT = 180
QUIET = 0.25
LONGEST_SETTLE = 90
SIGNALS = "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',member="


class Unit:
    """One line of `systemctl list-units`."""

    def __init__(self, state, substate, path):
        self.state = state
        self.substate = substate
        self.path = path

    @property
    def runs(self):
        return self.state in ("active", "activating")


class Manager:
    """The system's manager, with the jobs that we gave it."""

    def __init__(self):
        try:
            self.bus = Bus("/run/dbus/system_bus_socket")
        except OSError as error:
            raise Failure("Failed to open dbus connection", error) from None
        self.reloading = False
        self.jobs = {}  # object path -> (verb, unit)
        self.finished = {}  # object path -> (unit, result)
        self.bus.on_signal = self._signal
        self.bus.add_match(SIGNALS + "'Reloading'")
        self.bus.add_match(SIGNALS + "'JobRemoved'")
        self._call("Subscribe")

    def _call(self, method, signature="", *arguments):
        return self.bus.call(NAME, PATH, INTERFACE, method, signature, *arguments)

    def _signal(self, member, arguments):
        if member == "Reloading":
            self.reloading = arguments[0]
        elif member == "JobRemoved":
            _, job, unit, result = arguments
            self.finished[job] = (unit, result)

    def active_units(self):
        """Every unit that is not inactive (failed ones too), by name."""
        (rows,) = self._call("ListUnitsByPatterns", "asas", [], [])
        return {
            name: Unit(state, substate, path)
            for name, _, _, state, substate, following, path, *_ in rows
            if not following and state != "inactive"
        }

    def fragments(self, paths):
        """The FragmentPath of each unit, asked for all at once."""
        calls = [
            (NAME, path, PROPERTIES, "Get", "ss", NAME + ".Unit", "FragmentPath") for path in paths
        ]
        return [answer[0] if answer else "" for answer in self.bus.call_all(calls)]

    def _property(self, path, interface, name):
        return self.bus.call(NAME, path, PROPERTIES, "Get", "ss", f"{NAME}.{interface}", name)[0]

    def is_active(self, unit):
        try:
            (path,) = self._call("GetUnit", "s", unit)
            return self._property(path, "Unit", "ActiveState") in ("active", "activating")
        except BusError as error:
            raise Failure(f"Failed to get unit {unit}", error) from None

    def keeps_failing(self, name, unit):
        """A service that waits for its automatic restart because it failed."""
        if unit.substate != "auto-restart" or not name.endswith(".service"):
            return False
        return self._property(unit.path, "Service", "ExecMainStatus") != 0

    def stop(self, units):
        """Stops; a unit that refuses is left alone without a word."""
        for unit in units:
            try:
                (job,) = self._call("StopUnit", "ss", unit, "replace")
                self.jobs[job] = ("stop", unit)
            except BusError:
                pass

    def submit(self, method, verb, units):
        """Gives systemd a job for each unit; 4 if it refused one."""
        code = 0
        for unit in units:
            try:
                (job,) = self._call(method, "ss", unit, "replace")
                self.jobs[job] = (verb, unit)
            except BusError as error:
                say(f"Failed to {verb} {unit}: {error}")
                code = 4
        return code

    def wait_for_jobs(self):
        """However long it takes."""
        while not self.jobs.keys() <= self.finished.keys():
            self.bus.process(0.5)

    def jobs_that_failed(self):
        return [
            (verb, self.finished[job][0])
            for job, (verb, _) in self.jobs.items()
            if self.finished[job][1] in ("timeout", "failed", "dependency")
        ]

    def reset_failed(self):
        try:
            self._call("ResetFailed")
        except BusError as error:
            raise Failure("Failed to reset failed units", error) from None

    def reexecute(self):
        self._reload("Reexecute", "reexecute")

    def reload_definitions(self):
        self._reload("Reload", "reload")

    def _reload(self, method, word):
        """The end is a signal; the call itself may never be answered."""
        self.reloading = True
        self.bus.send(NAME, PATH, INTERFACE, method)
        deadline = time.monotonic() + RELOAD_TIMEOUT
        while self.reloading:
            self.bus.process(0.5)
            if time.monotonic() > deadline:
                raise Failure(f"systemd daemon {word} failed, timeout after {RELOAD_TIMEOUT}s")

    def settle(self):
        """Until the bus was quiet for a moment. A unit that fails later goes unseen."""
        deadline = time.monotonic() + LONGEST_SETTLE
        while self.bus.process(QUIET) and time.monotonic() < deadline:
            pass
