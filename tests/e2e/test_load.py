"""Many at once: sessions do not get into each other's way."""

import random
import threading

from harness.client import Client
from harness.backend_dialogue import DROP, Say
from harness.headers import split_delivered, split_ours
from harness.wait import wait_until

CLIENTS = 40


def in_parallel(work, count=CLIENTS):
    """Calls work(number) in as many threads; raises what one of them raised."""
    errors = []

    def run(number):
        try:
            work(number)
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_parallel_deliveries(gatepost, postfix, recipient):
    addresses = [[recipient() for _ in range(3)] for _ in range(CLIENTS)]

    def work(number):
        rng = random.Random(number)
        with Client(gatepost.address, f"127.0.1.{number + 1}") as client:
            client.ehlo(f"c{number}.example")
            if number % 2:
                client.starttls()
                client.ehlo(f"c{number}.example")
            for address in addresses[number]:
                client.deliver(address, b"Subject: %d\r\n\r\n" % number +
                               b"line of %d\r\n" % number * rng.randrange(5000))
            client.quit()

    in_parallel(work)
    for number, own in enumerate(addresses):
        for address in own:
            received, ours, rest = split_delivered(postfix.wait_mail(address))
            assert f"[127.0.1.{number + 1}]" in received
            assert (ours.address, ours.helo) == (f"127.0.1.{number + 1}", f"c{number}.example")
            assert ours.protection.startswith("(using " if number % 2 else "(no TLS)")
            lines = rest.split(b"\n")
            assert lines[0] == b"Subject: %d" % number
            assert set(lines[2:]) <= {b"line of %d" % number, b""}


def test_half_of_the_clients_vanish(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint)

    def work(number):
        with Client(daemon.address, "127.0.0.2") as client:
            client.ehlo()
            if number % 3 == 0:
                client.starttls()
                client.ehlo()
            client.envelope(f"r{number}@gatepost.test")
            client.expect(354, "DATA")
            client.send(b"Subject: %d\r\n\r\n" % number + b"x" * 100_000)
            if number % 2:
                client.reset()
                return
            client.send(b"\r\n.\r\n")
            assert client.reply().code == 250

    in_parallel(work)
    assert len(backend.messages) == CLIENTS // 2
    wait_until(lambda: all(session.closed for session in backend.sessions), "the sessions' end")
    assert daemon.log().count("was killed") == 0


def test_idle_clients_cost_no_backend(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint)
    idle = [connect(daemon) for _ in range(300)]
    for client in idle:
        client.ehlo()
    assert not backend.sessions
    busy = connect(daemon)
    busy.ehlo()
    busy.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    for client in idle:
        client.quit()


def test_backend_that_closes_between_messages(make_gatepost, backend, connect):
    """It had nothing to do; the next message gets another connection."""
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    client.ehlo()
    backend.arm("RSET", Say(b"250 2.0.0 Ok\r\n", then=DROP))
    for number in range(3):
        client.deliver("r@gatepost.test", b"Subject: %d\r\n\r\n" % number)
        client.expect(250, "RSET")
        wait_until(lambda: backend.sessions[-1].closed, "the backend's end")
    assert [split_ours(message.content)[1] for message in backend.messages] == \
        [b"Subject: %d\r\n\r\n" % number for number in range(3)]
    assert len(backend.sessions) == 3


def test_many_recipients_pipelined(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    count = 2000
    client.send(b"MAIL FROM:<>\r\n" + b"".join(b"RCPT TO:<r%d@x>\r\n" % number
                                               for number in range(count)) + b"DATA\r\n")
    assert [client.reply().code for _ in range(count + 2)] == [250] * (count + 1) + [354]
    client.send(b"Subject: x\r\n\r\n.\r\n")
    assert client.reply().code == 250
    assert [line[10:-3] for line in backend.messages[0].recipients] == \
        [b"%d" % number for number in range(count)]


def test_one_endless_line(make_gatepost, backend, connect):
    """Content needs no line ends to flow."""
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    for content in (b"Subject: x\r\n\r\n" + b"y" * 10_000_000 + b"\r\n", b"z" * 3_000_000 + b"\r\n",
                    b"Subject: " + b"z" * 3_000_000 + b"\r\n\r\n"):
        client.deliver("r@gatepost.test", content)
        rest = split_ours(backend.messages[-1].content)[1]
        assert len(rest) == len(content) and rest == content
