"""A good client that never gives up: each message is tried until it is accepted."""

import random
import threading
import time

from .client import Client
from .numbered import LOSSES, Refused, deliver

TRIES = 400  # of one message
FAILURES = (*LOSSES, Refused, AssertionError)  # a reply that is missing or not what it should be


class Deliverer(threading.Thread):
    """Delivers message after message until stop is set; connections are kept for some messages, in
    turn with and without TLS. error: why it gave up."""

    def __init__(self, address, book, seed, source="127.0.0.2", pause=0.0):
        super().__init__(daemon=True)
        self.address, self.book, self.source, self.pause = address, book, source, pause
        self.rng = random.Random(seed)
        self.stop, self.error = threading.Event(), None
        self.longest = 0.0  # seconds that a message took
        self._client = None

    def _session(self):
        if self._client is None or self.rng.random() < 0.2:
            self._leave()
            self._client = Client(self.address, self.source)
            self._client.ehlo()
            if self.rng.random() < 0.5:
                self._client.starttls()
                self._client.ehlo()
        return self._client

    def _leave(self):
        if self._client:
            self._client.close()
        self._client = None

    def _try(self):
        try:
            deliver(self._session(), *self.book.attempt(self.rng), self.rng)
            return True
        except FAILURES:
            self._leave()
            return False

    def _message(self):
        start = time.monotonic()
        for _ in range(TRIES):
            if self._try():
                self.longest = max(self.longest, time.monotonic() - start)
                return
            time.sleep(0.05)  # as a client's queue would
        raise AssertionError(f"no delivery in {TRIES} tries")

    def run(self):
        try:
            while not self.stop.is_set():
                self._message()
                self.stop.wait(self.pause)
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            self._leave()


def finish(deliverers):
    """Ends them, and raises what one of them raised."""
    for one in deliverers:
        one.stop.set()
    for one in deliverers:
        one.join()
    for one in deliverers:
        if one.error:
            raise one.error
