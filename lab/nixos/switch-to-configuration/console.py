"""Where messages go: stderr for people, the journal for later; and the lock."""

import errno
import fcntl
import os
import syslog

LOCK = "/run/nixos/switch-to-configuration.lock"


class Failure(Exception):
    """An error that ends the program with 1: what happened, then what caused it."""

    def __init__(self, message, *causes):
        super().__init__(message)
        self.causes = causes

    def text(self):
        text = f"Error: {self}"
        if len(self.causes) == 1:
            text += f"\n\nCaused by:\n    {self.causes[0]}"
        elif self.causes:
            text += "\n\nCaused by:"
            text += "".join(f"\n    {i}: {cause}" for i, cause in enumerate(self.causes))
        return text


class _Panic(Exception):
    pass


def say(text):
    """One message, a line, on stderr."""
    data = (text + "\n").encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError as error:
        raise _Panic from error


def panic_on_broken_pipe(main, argv):
    """The real program panics (101) at the first message that nobody can read, and so do we."""
    try:
        return main(argv)
    except _Panic:
        return 101


def reopen_closed_streams():
    """A stream that was closed before we started is silent, not broken."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open("/dev/null", os.O_RDWR), True)


def die(path):
    """The exit code of a missing file is its errno, a heritage of the Perl program."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno or 1
    return 1


def lock():
    """The lock of every action. It is never waited for."""
    os.makedirs("/run/nixos", mode=0o755, exist_ok=True)
    os.chmod("/run/nixos", 0o755)
    file = open(LOCK, "a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        say("Could not acquire lock")
        os._exit(error.errno or errno.EAGAIN)
    return file


class _Journal:
    def open(self):
        if not os.path.exists("/dev/log"):
            raise Failure("Failed to initialize logger")
        syslog.openlog("nixos", syslog.LOG_PID, syslog.LOG_USER)

    def info(self, text):
        syslog.syslog(syslog.LOG_INFO, text)

    def error(self, text):
        syslog.syslog(syslog.LOG_ERR, text)


journal = _Journal()
