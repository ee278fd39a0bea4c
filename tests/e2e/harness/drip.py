"""Many clients that each send a byte a second, from one thread."""

import itertools
import threading
import time

from .client import Client
from .hello import TLS12, client_hello

_TICKS = 20  # a second; at each one a part of the clients has its turn


def _before_ehlo(_client):
    """A command that does not come to its end."""
    return itertools.chain(b"EHLO ", itertools.repeat(ord("x")))


def _in_handshake(client):
    """A ClientHello that lacks its last byte."""
    client.ehlo()
    client.expect(220, "STARTTLS")
    return iter(client_hello(TLS12, [0xc02b, 0xc02f])[:-1])


def _in_data(client):
    """A message without an end."""
    client.ehlo()
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    return itertools.chain(b"Subject: x\r\n\r\n", itertools.cycle(b"a slow line\r\n"))


STAGES = {"before EHLO": _before_ehlo, "in the handshake": _in_handshake, "in DATA": _in_data}


class Drip:
    """Use as a context; add() before or meanwhile."""

    def __init__(self):
        self.lost = 0  # connections that the server has ended
        self._slots = [[] for _ in range(_TICKS)]
        self._next = itertools.cycle(range(_TICKS))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def add(self, address, source, stage):
        """One more client, brought to that stage."""
        client = Client(address, source)
        data = STAGES[stage](client)
        client.socket.setblocking(False)
        self._slots[next(self._next)].append((client, data))

    @property
    def alive(self):
        """How many there are."""
        return sum(map(len, self._slots))

    def _turn(self, slot):
        for entry in list(slot):
            client, data = entry
            try:
                byte = next(data, None)
                if byte is not None:
                    client.send(bytes((byte,)))
            except OSError:
                client.close()
                slot.remove(entry)
                self.lost += 1

    def _run(self):
        due = time.monotonic()
        for slot in itertools.cycle(self._slots):
            due = max(due + 1 / _TICKS, time.monotonic() - 1)
            if self._stop.wait(max(0, due - time.monotonic())):
                return
            self._turn(slot)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for slot in self._slots:
            for client, _ in slot:
                client.close()
