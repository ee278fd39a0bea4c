"""Who does not take what is sent holds up nobody else, and costs a small, bounded amount of memory
and no processor time."""

import random
import statistics
import time

import pytest

from harness.client import Client, dot_stuff
from harness.daemon import run_command
from harness.flood import Flood
from harness.jam import Stuffed, open_small, push_all
from harness.numbered import ACCEPTED, Book, deliver
from harness.usage import (KIB, processes, processor_seconds, raise_file_limit, total_pss,
                           wait_quiet)

EACH = 1000  # sessions of each kind
FETCHED = 40  # of the deaf ones, at the end
SLOW_READERS = 40
PATIENT = {"smtpd_timeout": "300s", "smtpd_junk_command_limit": "1000000000",
           "gatepost_drain_time": "5s"}
PER_DEAF, PER_STUFFED = 64 * KIB, 160 * KIB  # memory of all processes, for each such session
IDLE_SHARE = 0.05  # of a processor, of all processes together, while everybody waits
LONG_LINES = (b"z" * 998 + b"\r\n") * 1000
COMMANDS = b"RSET\r\n" * 150_000
RECIPIENTS = b"RCPT TO:<verbose@x>\r\n" * 40_000
# Seconds: what was stuck for minutes is tried again by the kernel after as many as that.
UNSTUCK = 150


def open_session(daemon, number, small=True):
    """With and without TLS, in turn."""
    source = f"127.0.{60 + number % 40}.1"
    client = open_small(daemon.address, source) if small else Client(daemon.address, source)
    client.ehlo()
    if number % 2:
        client.starttls()
        client.ehlo()
    return client


def deaf_client(daemon, number):
    """One that pipelines thousands of commands and reads no reply, be it gatepost's own or the
    backend's."""
    client = open_session(daemon, number)
    if number % 4 < 2:
        return Stuffed(client, COMMANDS)
    client.envelope("r@gatepost.test")
    return Stuffed(client, RECIPIENTS)


def stuffed_client(daemon, book, rng, number):
    """One in the midst of a long message that the backend does not read."""
    client = open_session(daemon, number)
    attempt, content = book.attempt(rng, 1, LONG_LINES)
    client.expect(250, "MAIL FROM:<fault.content.wait@x>")
    client.expect(250, "RCPT TO:<r@gatepost.test>")
    client.expect(354, "DATA")
    return Stuffed(client, dot_stuff(content) + b".\r\n"), attempt


def fetch(client, count):
    """So many bytes of replies, if they are there."""
    try:
        client.socket.recv(count)
    except BlockingIOError:
        pass


def busy_share(daemon, seconds=3):
    """How much of a processor all processes use."""
    before = sum(map(processor_seconds, processes(daemon)))
    time.sleep(seconds)
    return (sum(map(processor_seconds, processes(daemon))) - before) / seconds


def good_session(daemon, book, rng, number):
    """Returns how long a whole session with a message took."""
    start = time.monotonic()
    with open_session(daemon, number, small=False) as client:
        deliver(client, *book.attempt(rng), rng)
        client.quit()
    return time.monotonic() - start


def check_replies(stuffed):
    """The client fetches its replies after all: one for each command that it could send."""
    sent = len(stuffed.data) - len(stuffed.left)
    stuffed.client.socket.settimeout(UNSTUCK)
    expected, replies = stuffed.data[:sent].count(b"\n"), 0
    while replies < expected:
        data = stuffed.client.socket.recv(65536)
        assert data, f"{replies} replies of {expected}"
        replies += data.count(b"\n")
    assert replies == expected
    stuffed.client.close()


def check_delivered(waiting):
    """Messages that were stuck arrive once the backend reads."""
    push_all([one for one, _ in waiting], patience=60, deadline=UNSTUCK)
    for stuffed, attempt in waiting:
        assert not stuffed.left
        stuffed.client.socket.settimeout(UNSTUCK)
        assert stuffed.client.reply().code == 250
        attempt.outcome = ACCEPTED
        stuffed.client.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_deaf_clients_and_a_backend_that_does_not_read(make_gatepost, sink):
    """A thousand of each at once, and others are served; then it all comes unstuck."""
    raise_file_limit()
    daemon = make_gatepost(sink.endpoint, **PATIENT)
    book, rng = Book("jam"), random.Random(2)
    good_session(daemon, book, rng, 1)
    wait_quiet(daemon, run_command)
    before = total_pss(daemon)
    deaf = [deaf_client(daemon, number) for number in range(EACH)]
    push_all(deaf)
    with_deaf = total_pss(daemon)
    waiting = [stuffed_client(daemon, book, rng, number) for number in range(EACH)]
    push_all([one for one, _ in waiting])
    with_both = total_pss(daemon)
    share = busy_share(daemon)
    took = [good_session(daemon, book, rng, number) for number in range(10)]
    print(f"KiB: a deaf client {(with_deaf - before) / EACH / KIB:.1f}, one whose backend does not "
          f"read {(with_both - with_deaf) / EACH / KIB:.1f}; processor {share:.3f}, longest good "
          f"session {max(took):.2f} s")
    # For a few the kernel takes everything.
    stuck = [sum(bool(one.left) for one in kind) for kind in (deaf, [one for one, _ in waiting])]
    assert min(stuck) > EACH / 10, stuck
    assert with_deaf - before < EACH * PER_DEAF
    assert with_both - with_deaf < EACH * PER_STUFFED
    assert share < IDLE_SHARE
    assert max(took) < 5
    for one in deaf[::2][:FETCHED]:  # without TLS, since with it nobody knows how much has gone
        check_replies(one)
    for one in deaf:
        one.client.close()
    sink.go_on()
    check_delivered(waiting)
    book.check(sink.records())
    wait_quiet(daemon, run_command)


@pytest.mark.slow
def test_clients_that_read_slowly(make_gatepost, sink):
    """Replies that are fetched one by one let no more commands in than there is room for."""
    daemon = make_gatepost(sink.endpoint, **PATIENT)
    good_session(daemon, Book("slow"), random.Random(3), 1)
    before = total_pss(daemon)
    clients = [Stuffed(open_session(daemon, 2 * number), COMMANDS * 3)
               for number in range(SLOW_READERS)]
    push_all(clients)
    for _ in range(100):
        for one in clients:
            fetch(one.client, 3000)
            one.push()
    used = (total_pss(daemon) - before) / SLOW_READERS
    print(f"{used / KIB:.1f} KiB a session")
    assert all(one.left for one in clients)
    assert used < PER_DEAF
    for one in clients:
        one.client.close()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_slow_backend_sessions(make_gatepost, sink):
    """A backend that reads a thousand messages slowly, all at once; they arrive whole."""
    raise_file_limit()
    daemon = make_gatepost(sink.endpoint, **PATIENT)
    book, rng = Book("slow"), random.Random(4)
    slow = []
    for number in range(EACH):
        client = open_session(daemon, number, small=False)
        attempt, content = book.attempt(rng, 1, b"s" * 998 + b"\r\n" * 4)
        client.expect(250, "MAIL FROM:<fault.content.slow@x>")
        client.expect(250, "RCPT TO:<r@gatepost.test>")
        client.expect(354, "DATA")
        client.send(dot_stuff(content) + b".\r\n")
        slow.append((client, attempt))
    took = [good_session(daemon, book, rng, number) for number in range(6)]
    for client, attempt in slow:
        assert client.reply().code == 250
        attempt.outcome = ACCEPTED
        client.close()
    assert max(took) < 5
    book.check(sink.records())


@pytest.mark.slow
def test_bulk_does_not_starve_others(make_gatepost, sink):
    """In the same worker, two that send long messages as fast as they can."""
    daemon = make_gatepost(sink.endpoint, gatepost_workers="1", **PATIENT)
    book, rng, took = Book("good"), random.Random(5), []
    bulk = [Flood(daemon.address, "bulk", 5, seed) for seed in range(2)]
    while all(one.running() for one in bulk):
        took.append(good_session(daemon, book, rng, len(took)))
    made = sum(one.wait() for one in bulk)
    print(f"{made} long messages; good sessions: {len(took)}, median "
          f"{statistics.median(took):.3f} s, longest {max(took):.3f} s")
    assert made >= 2 and len(took) >= 5
    assert statistics.median(took) < 1 and max(took) < 5
    book.check([record for record in sink.records() if record[0] != "bulk"])
