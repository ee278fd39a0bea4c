"""The metrics' HTTP server faces strangers: what they do to it is bounded, and mail does not
notice."""

import contextlib
import os
import resource
import socket
import time

import pytest

from harness.client import Client
from harness.daemon import process_status
from harness.metrics import TYPE, listen, request, scrape, wait_scrape
from harness.wait import DEADLINE, wait_until

CLIENTS_MAX = 32  # METRICS_CLIENTS_MAX
MESSAGE = b"Subject: x\r\n\r\nsome text\r\n"


@pytest.fixture(name="daemon")
def make_daemon(make_gatepost, backend):
    """In front of a scripted backend."""
    return listen(make_gatepost(backend.endpoint, start=False)).start()


@pytest.fixture(name="dial")
def dialer(daemon):
    """dial(data=b""): a raw connection to the server, closed at the end."""
    sockets = []

    def dial(data=b""):
        sockets.append(socket.create_connection(("127.0.0.1", daemon.metrics_port), DEADLINE))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sockets[-1].sendall(data)
        return sockets[-1]
    yield dial
    for one in sockets:
        one.close()


def everything(connection):
    """All that the server says until it closes."""
    text = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            text += data
    return text


def deliver(daemon):
    """Mail flows."""
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.deliver("someone@gatepost.test", MESSAGE)
        client.quit()


def is_well(daemon):
    """It is the process that it was, mail flows, and the page comes."""
    [pid] = daemon.ledgers()
    deliver(daemon)
    assert scrape(daemon).sum("gatepost_messages_total") >= 1
    assert daemon.ledgers() == [pid]
    assert "was killed" not in daemon.log() and "exited with" not in daemon.log()


def test_answers(daemon):
    status, headers, text = request(daemon.metrics_port)
    assert status == 200 and headers["Content-Type"] == TYPE
    assert int(headers["Content-Length"]) == len(text) and headers["Connection"] == "close"
    length = abs(len(text) - int(request(daemon.metrics_port, "HEAD")[1]["Content-Length"]))
    assert length < 100, "a page differs from another by some digits"
    assert request(daemon.metrics_port, "HEAD")[2] == ""
    assert request(daemon.metrics_port, path="/metrics?name=value")[0] == 200
    for path in ("/", "/metrics/", "/metrics/x", "/../etc/passwd", "//metrics", "/METRICS",
                 "/%00", "/<script>"):
        status, headers, text = request(daemon.metrics_port, path=path)
        assert status == 404 and "script" not in text, path
    is_well(daemon)


def test_other_methods(daemon):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"):
        status, headers, _ = request(daemon.metrics_port, method, body=b"x" * 100)
        assert status == 405 and headers["Allow"] == "GET, HEAD", method
    is_well(daemon)


def test_large_content_is_not_taken(daemon, dial):
    """The answer comes before the content, which nobody reads."""
    one = dial(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    assert b" 405 " in everything(one).split(b"\r\n")[0]
    is_well(daemon)


NO_REQUESTS = [
    b"\r\n\r\n", b"\0" * 5000, b"GET\r\n\r\n", b"GET /metrics\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
    b"EHLO client.example\r\nMAIL FROM:<a@b>\r\n", b"GET /metrics HTTP/9.9\r\n\r\n",
    b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 500,
]


@pytest.mark.slow
def test_what_is_no_request(daemon, dial):
    """Refused or cut off; whatever comes, there is an end."""
    for one in [dial(data) for data in NO_REQUESTS]:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_WR)
        assert everything(one).count(b"HTTP/1.1 200") <= 1, "a connection gets no more than one"
    is_well(daemon)


@pytest.mark.slow
def test_slow_requests_end(daemon, dial):
    """A byte now and then buys no time."""
    one = dial(b"GET /metrics HTTP/1.1\r\n")
    began = time.monotonic()

    def is_over():
        try:
            one.sendall(b"A")
            return one.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
    wait_until(is_over, "the end of the slow one")
    assert time.monotonic() - began > 5, "it had its time"
    is_well(daemon)


def descriptors(daemon):
    """How many files the process has open."""
    [pid] = daemon.ledgers()
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_silent_crowd_makes_room(daemon, dial):
    """More silent connections than there may be: the oldest go, and a scrape comes through."""
    before = descriptors(daemon)
    first = dial()
    for _ in range(10 * CLIENTS_MAX):
        dial()
    assert everything(first) == b""
    assert descriptors(daemon) <= before + CLIENTS_MAX + 8  # and the files of the database
    is_well(daemon)


@pytest.mark.slow
def test_thousands_of_connections(daemon, dial):
    """Bounded in descriptors and memory; all of them are answered or gone."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[1], 8192), limit[1]))
    [pid] = daemon.ledgers()
    before = int(process_status(pid)["VmRSS"].split()[0])
    open_before = descriptors(daemon)
    for number in range(3000):
        dial(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (number % 5000))
        if number % 500 == 0:
            assert descriptors(daemon) <= open_before + CLIENTS_MAX + 8
            deliver(daemon)
    is_well(daemon)
    assert int(process_status(pid)["VmRSS"].split()[0]) < before + 8192, "kilobytes"


def test_readers_that_do_not_read(daemon, dial):
    """The answers of those who take none are bounded, too."""
    for _ in range(2 * CLIENTS_MAX):
        one = dial()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        with contextlib.suppress(ConnectionError):
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    is_well(daemon)


def test_while_a_reload_is_under_way(daemon):
    """Scrapes go on over reloads: the process stays."""
    pids = daemon.ledgers()
    for generation in (2, 3):
        daemon.reload()
        wait_scrape(daemon, lambda page, count=generation:
                    page.get("gatepost_configuration_generation") == count, "the generation")
    assert daemon.ledgers() == pids
