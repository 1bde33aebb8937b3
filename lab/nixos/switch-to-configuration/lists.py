"""/run/nixos/{start,restart,reload}-list: what a switch still has to do, should it be killed.

One unit a line, in no order. The next run, of whatever system, does what they name.
"""

import os


def _path(kind):
    return f"/run/nixos/{kind}-list"


def read_lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            return {line for line in file.read().split("\n") if line}
    except OSError:
        return set()


def remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


class PendingLists:
    """The lists of this run. A dry run reads them and writes nothing."""

    def __init__(self, recording):
        self.recording = recording

    def read(self, kind):
        return read_lines(_path(kind))

    def record(self, kind, unit):
        if self.recording:
            with open(_path(kind), "a", encoding="utf-8") as file:
                file.write(unit + "\n")

    def unrecord(self, kind, unit):
        if self.recording and os.path.exists(_path(kind)):
            with open(_path(kind), encoding="utf-8") as file:
                rest = [line for line in file.read().splitlines() if line != unit]
            with open(_path(kind), "w", encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in rest))

    def forget(self, kind):
        remove(_path(kind))
