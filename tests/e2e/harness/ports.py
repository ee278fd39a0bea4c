"""TCP ports that nobody else gets, in this test run or in another at the same time.

A port that was bound and released can be handed to another process before the daemon under test
binds it. So ports come from below the kernel's ephemeral range, each with a lock file that is
held until this process ends.
"""

import fcntl
import os
import random
import socket

_FIRST, _LAST = 20000, 31999
_DIRECTORY = "/tmp/gatepost-test-ports"  # not TMPDIR: other test runs have another one
_locks = []


def _lock(port):
    """Takes the port's lock; False if another process has it."""
    descriptor = os.open(os.path.join(_DIRECTORY, str(port)), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _locks.append(descriptor)
    return True


def _is_free(port):
    """Whether nothing is bound to the port on any loopback address."""
    for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def free_port():
    """A port that is this process's own."""
    os.makedirs(_DIRECTORY, mode=0o777, exist_ok=True)
    for _ in range(1000):
        port = random.SystemRandom().randint(_FIRST, _LAST)
        if _lock(port):
            if _is_free(port):
                return port
    raise RuntimeError("no free port")
