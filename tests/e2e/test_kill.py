"""kill -9 of a worker or of the key process, at random under load: service goes on, only sessions
of the killed worker are lost, and what a client heard about a message is true (harness/numbered).
"""

import os
import random
import signal
import time

import pytest

from harness.client import Closed
from harness.deliverer import Deliverer, finish
from harness.numbered import ACCEPTED, UNHEARD, Book
from harness.usage import owners
from harness.wait import wait_until

SEED = int(os.environ.get("GATEPOST_TEST_SEED", str(random.SystemRandom().randrange(1 << 30))))
CLIENTS = 12
KILLS = 16
HELD = 60  # idle sessions


def wait_killed(daemon, pid):
    """The master has seen it, and all places are taken again."""
    daemon.wait_log(rf"process {pid} was killed by signal 9")
    wait_until(lambda: len(daemon.workers()) == 2 and len(daemon.key_processes()) == 1,
               "another process in its place")


@pytest.mark.slow
def test_random_kills_under_load(make_gatepost, sink):
    """Every message gets through in the end, and none is lost or doubled."""
    print("seed", SEED)
    rng, book = random.Random(SEED), Book("kill")
    daemon = make_gatepost(sink.endpoint)
    deliverers = [Deliverer(daemon.address, book, SEED + number) for number in range(CLIENTS)]
    for one in deliverers:
        one.start()
    longest = 0
    try:
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.05, 0.5))  # the moment is the test's own choice
            pid = rng.choice(daemon.workers() + daemon.key_processes())
            start = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            wait_killed(daemon, pid)
            before, replaced = book.count(ACCEPTED), time.monotonic() - start
            wait_until(lambda: book.count(ACCEPTED) > before + CLIENTS, "service to go on")
            print(f"killed {pid}, replaced after {replaced:.2f} s")
            longest = max(longest, replaced)
    finally:
        finish(deliverers)
    book.check(sink.records())
    print(f"{book.count(ACCEPTED)} accepted, {book.count(UNHEARD)} unheard, "
          f"{len(sink.records())} arrived")
    assert book.count(ACCEPTED) > KILLS * CLIENTS
    assert longest < 10  # a pause for what dies again and again must not become an outage


@pytest.mark.slow
def test_only_sessions_of_the_killed_worker_are_lost(make_gatepost, sink, connect):
    """The key process's death costs none at all."""
    daemon = make_gatepost(sink.endpoint)
    held = [connect(daemon) for _ in range(HELD)]
    for number, client in enumerate(held):
        client.ehlo()
        if number % 2:
            client.starttls()
            client.ehlo()
        if number % 3 == 0:
            client.envelope("r@gatepost.test")
    served_by = owners(daemon, held)
    first, second = daemon.workers()
    assert set(served_by) == {first, second}
    keys = daemon.key_processes()[0]
    os.kill(keys, signal.SIGKILL)
    wait_killed(daemon, keys)
    for client in held:
        client.expect(250, "NOOP")
    os.kill(first, signal.SIGKILL)
    wait_killed(daemon, first)
    for client, owner in zip(held, served_by):
        if owner == second:
            client.expect(250, "NOOP")
        else:
            with pytest.raises((Closed, OSError)):
                client.command("NOOP")
    os.kill(second, signal.SIGKILL)
    wait_killed(daemon, second)
    assert set(owners(daemon, [connect(daemon) for _ in range(HELD)])) <= set(daemon.workers())
