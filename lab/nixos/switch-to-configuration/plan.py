"""What a switch does to each unit that runs: stop, start, restart, reload, or leave it alone."""

import os

import unit_files
from activation import DRY_RELOAD_REQUESTS, DRY_RESTART_REQUESTS
from console import say
from lists import read_lines, remove

CURRENT = "/etc/systemd/system"
# Never restarted themselves; slices and paths get their properties by a daemon-reload.
SPECIAL_TARGETS = {"sysinit.target", "basic.target", "multi-user.target", "graphical.target"}
SLEEP_TARGETS = {"suspend.target", "hibernate.target", "hybrid-sleep.target"}
DEPRECATED = (
    "WARN: restarting or reloading systemd units from the activation script is deprecated"
    " and will be removed in NixOS 26.11."
)


class Plan:
    """Sets of unit names, and `quiet`: those that are started without a word."""

    def __init__(self, toplevel, active, systemd, pending):
        self.new_dir = f"{toplevel}/etc/systemd/system"
        self.active = active
        self.systemd = systemd
        self.pending = pending
        self.stop = set()
        self.skip = set()
        self.quiet = set()
        self.start = pending.read("start")
        self.restart = pending.read("restart")
        self.reload = pending.read("reload")

    def compare_running_units(self):
        """Looks at every running unit whose definition comes from /etc/systemd/system."""
        found = []
        for unit in self.active:
            files = _Files(unit, CURRENT, self.new_dir)
            if os.path.exists(files.old_base):
                found.append(files)
        fragments = self.systemd.fragments([self.active[files.unit].path for files in found])
        for files, fragment in zip(found, fragments):
            if fragment.startswith(CURRENT) and self.active[files.unit].runs:
                self._compare(files)

    def _compare(self, files):
        unit = files.unit
        if files.instance_removed or unit_files.state(files.new_base) != "present":
            old = unit_files.read(files.old, files.old_base)
            if unit_files.is_true(old, "Unit", "X-StopOnRemoval", True):
                self.stop.add(unit)
            return
        if unit.endswith(".target"):
            self._target(unit, unit_files.read(files.new, files.new_base))
            return
        old = unit_files.read(files.old, files.old_base)
        new = unit_files.read(files.new, files.new_base)
        change = unit_files.compare(old, new)
        if change == unit_files.RESTART:
            self._changed(files, new, by_activation=False)
        elif change == unit_files.RELOAD and unit not in self.restart:
            self._add("reload", unit)

    def _target(self, unit, new):
        """Active targets are started again, which starts whatever new they want."""
        manual = unit_files.is_true(new, "Unit", "RefuseManualStart", False) or unit_files.is_true(
            new, "Unit", "X-OnlyManualStart", False
        )
        if unit not in SLEEP_TARGETS and not manual:
            self._add("start", unit)
            if os.environ.get("STC_DISPLAY_ALL_UNITS") != "1":
                self.quiet.add(unit)
        if unit_files.is_true(new, "Unit", "X-StopOnReconfiguration", False):
            self.stop.add(unit)

    def _changed(self, files, new, by_activation):
        """A unit whose definition changed. Requests of the activate script come after the stop
        phase, so for them stop and start become one restart."""
        unit = files.unit
        stopping = self.restart if by_activation else self.stop
        starting = "restart" if by_activation else "start"
        if unit in SPECIAL_TARGETS or unit.endswith((".path", ".slice")):
            return
        if unit.endswith(".mount"):
            self._add("reload" if unit in ("-.mount", "nix.mount") else "restart", unit)
        elif unit.endswith(".socket"):
            pass  # A known gap of the real program: the old socket stays.
        elif (
            unit_files.is_true(new, "Service", "X-ReloadIfChanged", False)
            and unit not in self.restart
            and unit not in stopping
        ):
            self._add("reload", unit)
        elif (
            not unit_files.is_true(new, "Service", "X-RestartIfChanged", True)
            or unit_files.is_true(new, "Unit", "RefuseManualStop", False)
            or unit_files.is_true(new, "Unit", "X-OnlyManualStart", False)
        ):
            self.skip.add(unit)
        else:
            if not unit.endswith(".service") or not unit_files.is_true(
                new, "Service", "X-StopIfChanged", True
            ):
                self._add("restart", unit)
            else:
                by_socket = self._stop_sockets(files, new, stopping, starting)
                if not by_socket:
                    self._add(starting, unit)
                stopping.add(unit)
            if unit in self.reload:
                self.reload.discard(unit)
                self.pending.unrecord("reload", unit)

    def _stop_sockets(self, files, new, stopping, starting):
        """A service that a socket starts comes back by its socket; whether that is so."""
        sockets = " ".join(new.get("Service", {}).get("Sockets", [])).split()
        by_socket = False
        for socket in sockets or [files.base_name.removesuffix("@") + ".socket"]:
            defined = os.path.exists(f"{self.new_dir}/{socket}")
            if socket in self.active:
                stopping.add(socket)
                if defined:
                    self._add(starting, socket)
            by_socket = by_socket or defined
        return by_socket and not unit_files.is_true(new, "Service", "X-NotSocketActivated", False)

    def add_requests_of_activation(self, restart_list, reload_list):
        if os.path.exists(restart_list) or os.path.exists(reload_list):
            say(DEPRECATED)
        for unit in read_lines(restart_list):
            if unit not in self.active:
                self._add("start", unit)
                continue
            files = _Files(unit, self.new_dir, self.new_dir)
            new = unit_files.read(files.new, files.new_base)
            self._changed(files, new, by_activation=True)
        remove(restart_list)
        for unit in read_lines(reload_list):
            if unit in self.active and unit not in self.restart and unit not in self.stop:
                self._add("reload", unit)
        remove(reload_list)

    def add_requests_of_dry_activation(self):
        self.add_requests_of_activation(DRY_RESTART_REQUESTS, DRY_RELOAD_REQUESTS)

    def start_instead_of_reload_if_stopped(self):
        """A unit that lost something it requires has stopped by now and cannot be reloaded."""
        for unit in sorted(self.reload):
            if self.systemd.is_active(unit):
                continue
            path = f"{self.new_dir}/{unit}"
            if os.path.exists(path):
                new = unit_files.read(path, path)
                if not unit_files.is_true(new, "Unit", "RefuseManualStart", False):
                    self._add("start", unit)
            self.reload.discard(unit)
            self.pending.unrecord("reload", unit)

    def _add(self, kind, unit):
        getattr(self, kind).add(unit)
        self.pending.record(kind, unit)


class _Files:
    """Where a unit's old and new definition are; for an instance, its template's."""

    def __init__(self, unit, old_dir, new_dir):
        self.unit = unit
        self.old = self.old_base = f"{old_dir}/{unit}"
        self.new = self.new_base = f"{new_dir}/{unit}"
        self.instance_removed = False
        base = unit
        template, at, rest = unit.rpartition("@")
        instance, dot, suffix = rest.partition(".")
        if at and dot and not os.path.exists(self.old) and not os.path.exists(self.new):
            base = f"{template}@.{suffix}"
            self.old_base = f"{old_dir}/{base}"
            self.new_base = f"{new_dir}/{base}"
            # An instance that was declared by drop-ins and has none any more is gone, though its
            # template is not. One that was started by hand never had any.
            self.instance_removed = _declared(self.old) and not _declared(self.new)
        self.base_name = base.rpartition(".")[0]


def _declared(path):
    return any(unit_files.state(drop_in) == "present" for drop_in in unit_files.drop_ins(path))
