"""Crowds of slow and of hostile clients: others are served, and memory stays in bounds."""

import itertools
import random
import time

import pytest

from harness.client import Client
from harness.daemon import run_command
from harness.drip import STAGES, Drip
from harness.flood import KINDS, Flood
from harness.numbered import Book, deliver
from harness.usage import KIB, raise_file_limit, total_pss, wait_quiet

SLOW = 5000
FLOOD_SECONDS = 6
PER_SESSION = 10 * KIB  # a slow one, of all processes' memory


def serve_good_client(daemon, book, rng, tls):
    """A whole session with a message; returns how long it took."""
    start = time.monotonic()
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        if tls:
            client.starttls()
            client.ehlo()
        deliver(client, *book.attempt(rng), rng)
        client.quit()
    return time.monotonic() - start


def good_clients_while(daemon, book, goes_on):
    """One a second, as long as that says so; returns how long each took."""
    rng, took = random.Random(1), []
    while goes_on():
        start = time.monotonic()
        took.append(serve_good_client(daemon, book, rng, len(took) % 2))
        time.sleep(max(0.0, start + 1 - time.monotonic()))
    return took


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_slow_clients_and_floods(make_gatepost, sink):
    """Slow ones in every stage, all at once, and floods on top."""
    count = min(SLOW, (raise_file_limit() - 500) // 3)
    daemon = make_gatepost(sink.endpoint, gatepost_session_limit=str(count + 1000),
                           gatepost_handshake_limit=str(count))
    book = Book("good")
    serve_good_client(daemon, book, random.Random(0), True)
    wait_quiet(daemon, run_command)
    before = total_pss(daemon)
    with Drip() as drip:
        stages = itertools.cycle(STAGES)
        for number in range(count):
            drip.add(daemon.address, f"127.0.{40 + number % 50}.1", next(stages))
        ends = time.monotonic() + 4
        took = good_clients_while(daemon, book, lambda: time.monotonic() < ends)
        during = total_pss(daemon)
        for kind in KINDS:
            floods = [Flood(daemon.address, kind, FLOOD_SECONDS, seed) for seed in range(2)]
            took += good_clients_while(daemon, book, lambda: any(one.running() for one in floods))
            made = sum(flood.wait() for flood in floods)
            print(f"{kind}: {made} connections")
            assert made > 100
        flooded = total_pss(daemon)
        print(f"good clients: {len(took)}, longest {max(took):.2f} s; before {before // KIB} KiB, "
              f"a slow session {(during - before) / count / KIB:.1f} KiB, "
              f"with floods {(flooded - before) / count / KIB:.1f} KiB")
        assert max(took) < 5
        assert drip.lost == 0 and drip.alive == count
        assert during - before < count * PER_SESSION
        assert flooded - before < count * PER_SESSION
    wait_quiet(daemon, run_command)
    book.check(sink.records())
