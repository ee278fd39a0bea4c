"""Clients that come, or send, as fast as they can, in a process of their own.

python3 -m harness.flood HOST PORT KIND SECONDS SEED prints how many there were.
"""

import os
import random
import socket
import struct
import subprocess
import sys
import time

from .client import Client
from .hello import TLS12, client_hello

_HELLO = client_hello(TLS12, [0xc02b, 0xc02f])
_LINES = (b"x" * 998 + b"\r\n") * 20_000
_RESET = struct.pack("ii", 1, 0)


def _connect(address, rng):
    sock = socket.create_connection(address, 10, (f"127.0.{rng.randint(20, 30)}.1", 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _aborted_hello(address, rng):
    """As far as a whole ClientHello; the answer is not waited for."""
    with _connect(address, rng) as sock:
        sock.recv(1000)
        sock.sendall(b"EHLO flood\r\n")
        sock.recv(1000)
        sock.sendall(b"STARTTLS\r\n")
        sock.recv(1000)
        sock.sendall(_HELLO if rng.random() < 0.7 else _HELLO[:rng.randint(1, len(_HELLO))])
        if rng.random() < 0.7:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _garbage(address, rng):
    """Bytes without a meaning, and away."""
    with _connect(address, rng) as sock:
        if rng.random() < 0.8:
            sock.recv(1000)
        sock.sendall(rng.randbytes(rng.choice((10, 1000, 50_000))))
        if rng.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _bulk(address, rng):
    """A long message, as fast as it goes; whole, and accepted."""
    with Client(address, "127.0.0.3") as client:
        client.ehlo()
        if rng.random() < 0.5:
            client.starttls()
            client.ehlo()
        client.deliver("r@gatepost.test", b"X-Number: bulk\r\n\r\n" + _LINES)


KINDS = {"hello": _aborted_hello, "garbage": _garbage}  # that mean no good
_ALL = KINDS | {"bulk": _bulk}


class Flood:
    """Such a process; wait() returns how many connections it made."""

    def __init__(self, address, kind, seconds, seed=0):
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.flood", *map(str, address), kind, str(seconds),
             str(seed)], cwd=here, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def running(self):
        """Whether it goes on."""
        return self._process.poll() is None

    def wait(self):
        """Its end."""
        return int(self._process.communicate()[0])

    def kill(self):
        """Its end, now."""
        self._process.kill()
        self._process.communicate()


def main():
    """See above."""
    host, port, kind, seconds, seed = sys.argv[1:]
    rng, made = random.Random(seed), 0
    limit = time.monotonic() + float(seconds)
    while time.monotonic() < limit:
        try:
            _ALL[kind]((host, int(port)), rng)
            made += 1
        except OSError:
            pass  # that is what they are for
    print(made)


if __name__ == "__main__":
    main()
