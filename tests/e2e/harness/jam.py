"""Connections that are full: what is sent is not taken, or what is said is not fetched."""

import selectors
import socket
import ssl
import time

from .client import Client
from .sink import SEGMENT

_SMALL = 8192  # of a socket's buffer, so that the kernel does not hide what gatepost keeps


def open_small(address, source):
    """A client with small socket buffers."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    sock.settimeout(30)
    sock.bind((source, 0))
    sock.connect(address)
    return Client(address, connected=sock)


class Stuffed:
    """A client that sends from data, as far as it goes. left: what has not gone."""

    def __init__(self, client, data):
        self.client, self.data, self.left = client, data, memoryview(data)
        client.socket.setblocking(False)

    def push(self):
        """Sends what goes; True if anything did."""
        moved = False
        try:
            while self.left:
                sent = self.client.socket.send(self.left[:65536])
                self.left, moved = self.left[sent:], True
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        return moved


def push_all(stuffed, patience=1.0, deadline=60):
    """Pushes into all until nothing has moved for that long, or everything has gone."""
    with selectors.EpollSelector() as selector:
        for one in stuffed:
            if one.left:
                selector.register(one.client.socket, selectors.EVENT_WRITE, one)
        limit, quiet = time.monotonic() + deadline, time.monotonic() + patience
        while selector.get_map() and time.monotonic() < min(limit, quiet):
            for key, _ in selector.select(0.05):
                if key.data.push():
                    quiet = time.monotonic() + patience
                if not key.data.left:
                    selector.unregister(key.fileobj)
