"""Starting programs without a shell."""

import os
import signal


def run(argv):
    """Runs a program with our streams and environment; its exit status, or -1 if it cannot run."""
    try:
        pid = os.posix_spawn(argv[0], argv, os.environ, setsigdef=[signal.SIGPIPE])
    except OSError:
        return -1
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
