"""What systemd is to a service: listening sockets that outlive it, and an ear for notifications."""

import os
import socket
import sys
import time

# Moves the descriptors to where sd_listen_fds(3) looks for them, and becomes the service.
_LAUNCHER = """
import fcntl, os, sys
names, descriptors, command = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in descriptors]
for number, fd in enumerate(high, 3):
    os.dup2(fd, number)
    os.close(fd)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": names}
os.execv(command[0], command)
"""


class ServiceManager:
    """Close it at the end."""

    def __init__(self, directory):
        self.sockets = {}
        self._path = os.path.join(directory, "notify")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(self._path)
        os.chmod(self._path, 0o666)
        self._pending = []

    def close(self):
        """Closes all sockets."""
        for one in (self._notify, *self.sockets.values()):
            one.close()

    def listen(self, name, host, dual=False):
        """A listening socket on a free port; returns its address. The name need not be the only
        one of its kind but for what follows a dot."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        listening.bind((host, 0))
        listening.listen(128)
        self.sockets[name] = listening
        return listening.getsockname()[:2]

    def attach(self, daemon, watchdog=None):
        """The daemon will be started by this service manager; watchdog is in seconds."""
        if self.sockets:
            descriptors = [one.fileno() for one in self.sockets.values()]
            names = ":".join(name.partition(".")[0] for name in self.sockets)
            daemon.launcher = [sys.executable, "-c", _LAUNCHER, names,
                               ",".join(map(str, descriptors))]
            daemon.descriptors = descriptors
        daemon.environment = {"NOTIFY_SOCKET": self._path}
        if watchdog:
            daemon.environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))

    def receive(self, timeout):
        """The next notification as a dictionary, or None if none comes in that time."""
        self._notify.settimeout(timeout)
        try:
            lines = self._notify.recv(4096).decode().splitlines()
        except TimeoutError:
            return None
        return dict(line.split("=", 1) for line in lines)

    def expect(self, key, deadline=30):
        """The next notification that has the key; others are dropped."""
        limit = time.monotonic() + deadline
        while time.monotonic() < limit:
            message = self.receive(deadline)
            if message and key in message:
                return message
        raise AssertionError(f"no {key} from the daemon")
