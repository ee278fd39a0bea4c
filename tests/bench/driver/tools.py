"""The programs beside the servers: load generator, sink, handshakes in memory."""

import json
import os
import socket
import subprocess

TIMEOUT = 120  # seconds for any single run
LASTING = 900  # for sessions that are there while something else is measured


class Void(Exception):
    """A measurement that counts for nothing: a session failed, or a message was lost."""


class Tools:
    """Where the programs are."""

    def __init__(self, directory):
        self._directory = directory

    def path(self, name):
        """A program's path; None if it was not built."""
        path = os.path.join(self._directory, name)
        return path if os.access(path, os.X_OK) else None

    def load(self, port, *options):
        """Runs the load generator to its end; returns its result."""
        done = subprocess.run(self._command(port, options), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=TIMEOUT + 10, check=False)
        return _result(done.returncode, done.stdout, done.stderr)

    def background(self, port, *options):
        """Starts the load generator with --hold or --forever; returns when it is ready."""
        return Background(self._command(port, options, LASTING))

    def _command(self, port, options, timeout=TIMEOUT):
        return [self.path("load"), "--port", str(port), "--timeout", str(timeout),
                *map(str, options)]

    def handshakes(self, certificate, count):
        """Microseconds of the server's part of handshakes in memory, by kind."""
        done = subprocess.run([self.path("handshake_bench"), certificate, str(count)], text=True,
                              capture_output=True, timeout=TIMEOUT, check=True)
        return json.loads(done.stdout)


def _result(status, stdout, stderr):
    """What the load generator has found."""
    if status != 0:
        raise Void(f"load, exit status {status}: {stderr.strip()}")
    return json.loads(stdout.splitlines()[-1])


class Background:
    """Sessions that are there while something else is measured."""

    def __init__(self, command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "ready\n":
            self.kill()
            raise Void(f"load: {self._process.communicate()[1].strip()}")

    def end(self):
        """Ends it; returns its result."""
        stdout, stderr = self._process.communicate(timeout=TIMEOUT)
        return _result(self._process.returncode, stdout, stderr)

    def kill(self):
        """Ends it, whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class Sink:
    """The backend of all servers."""

    def __init__(self, tools, port):
        self.port = port
        self._process = subprocess.Popen([tools.path("sink"), str(port)], stdin=subprocess.DEVNULL)

    def messages(self):
        """How many it has taken so far."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(b"STAT\r\nQUIT\r\n")
            with connection.makefile("rb") as file:
                return int(file.read().split(b"\r\n")[1].split()[1])

    def stop(self):
        """Ends it."""
        self._process.kill()
        self._process.wait()
