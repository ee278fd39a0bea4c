"""A backend that is down, slow, broken or not what it should be: the client gets a well-formed 4xx,
never a 250 that the backend did not give, and is never kept waiting beyond the timeout."""

import socket
import time

import pytest

from harness.backend_dialogue import DROP, HANG, RESET, Say
from harness.client import Client, Closed
from harness.ports import free_port
from harness.wait import wait_until

CONTENT = b"Subject: x\r\n\r\nbody\r\n"
TIMEOUT = {"gatepost_backend_timeout": "1s", "gatepost_backend_connect_timeout": "1s"}
COMMANDS = [("MAIL", b"MAIL FROM:<>"), ("RCPT", b"RCPT TO:<r@x>"), ("DATA", b"DATA")]


@pytest.fixture
def daemon(make_gatepost, backend):
    """In front of the scripted backend, with short timeouts, when it has learned what the backend
    can. One worker, so that one EHLO shows that."""
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1", **TIMEOUT)
    with Client(daemon.address) as client:
        client.ehlo()
    return daemon


def temporary(reply):
    """A reply that keeps the mail in the sender's queue, in the right form."""
    assert 400 <= reply.code < 500, reply.raw
    assert reply.lines[-1].startswith("4."), reply.raw
    return reply


def run_until_failure(client):
    """A transaction up to the first reply that is not good; that reply."""
    client.ehlo()
    for _, command in COMMANDS:
        reply = client.command(command)
        if reply.code // 100 not in (2, 3):
            return reply
    client.send(CONTENT + b".\r\n")
    return client.reply()


@pytest.mark.parametrize("action", [DROP, RESET, HANG, Say(b"garbage\r\n"), Say(b"\0\xff\r\n"),
                                    Say(b"2x0 Ok\r\n"), Say(b"250-Ok\r\n251 Ok\r\n"),
                                    Say(b"999 What\r\n"), Say(b"250 no line end", then=DROP),
                                    Say(b"250-never complete\r\n", then=HANG), Say(b"\r\n"),
                                    Say(b"100 Continue\r\n"), Say(b"250-" + b"x" * 300_000)],
                         ids=lambda action: repr(getattr(action, "data", action))[:40])
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT", "END"])
def test_fault(daemon, backend, connect, step, action):
    backend.arm(step, action)
    client = connect(daemon)
    start = time.monotonic()
    temporary(run_until_failure(client))
    assert time.monotonic() - start < 10
    assert not backend.messages
    daemon.wait_log(r"warning: .*backend")
    # The next session is none the worse for it.
    backend.arm(step, None)
    other = connect(daemon)
    assert run_until_failure(other).code == 250
    assert len(backend.messages) == 1


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "END"])
def test_421_is_passed_on_and_ends_the_session(daemon, backend, connect, step):
    backend.arm(step, Say(b"421 4.3.2 backend.test Shutting down\r\n", then=DROP))
    client = connect(daemon)
    reply = run_until_failure(client)
    assert reply.code == 421
    temporary(reply)
    assert client.rest() == b""


def test_permanent_refusal_is_passed_on(daemon, backend, connect):
    backend.arm("MAIL", Say(b"550-5.7.1 No\r\n550 5.7.1 mail from you\r\n"))
    client = connect(daemon)
    reply = run_until_failure(client)
    assert reply.raw == b"550-5.7.1 No\r\n550 5.7.1 mail from you\r\n"
    assert client.command("NOOP").code == 250


def test_slow_replies_are_put_together(daemon, backend, connect):
    backend.arm("MAIL", Say(b"250-2.1.0 Slowly\r\n250 2.1.0 Ok\r\n", slowly=True))
    backend.arm("EHLO", Say(b"250-backend.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n", slowly=True))
    client = connect(daemon)
    client.ehlo()
    assert client.command("MAIL FROM:<>").raw == b"250-2.1.0 Slowly\r\n250 2.1.0 Ok\r\n"


def test_replies_nobody_asked_for(daemon, backend, connect):
    """They must not be taken for the reply to a later command."""
    backend.arm("RCPT", Say(b"550 5.1.1 No\r\n250 2.1.5 Ok\r\n250 2.0.0 queued as NOTHING\r\n"))
    client = connect(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<>")
    client.send(b"RCPT TO:<r@x>\r\n")
    try:
        assert client.reply().code == 550
        reply = client.command("DATA")
        assert reply.code in (421, 503, 554), reply.raw
    except Closed:
        pass
    assert not backend.messages


def test_refused_connection(daemon, backend, connect):
    backend.close()
    client = connect(daemon)
    reply = run_until_failure(client)
    assert temporary(reply).code == 421
    assert client.rest() == b""
    daemon.wait_log(r"Connection refused")
    backend.open()
    other = connect(daemon)
    assert run_until_failure(other).code == 250


def test_backend_that_was_never_there(make_gatepost, connect):
    """The daemon starts all the same; strangers hear a 4xx."""
    daemon = make_gatepost(f"inet:127.0.0.1:{free_port()}", **TIMEOUT)
    client = connect(daemon)
    reply = client.command("EHLO client.example")
    if reply.code == 250:
        reply = client.command("MAIL FROM:<>")
    temporary(reply)
    daemon.wait_log(r"Connection refused")


def test_backend_that_comes_up_later(make_gatepost, backend, connect):
    backend.close()
    daemon = make_gatepost(backend.endpoint, **TIMEOUT)
    backend.open()
    wait_until(lambda: connect(daemon).command("EHLO x.example").code == 250, "the backend's return")


def test_backend_that_does_not_accept(make_gatepost, connect):
    """Its queue of connections is full: connecting hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            fillers.append(socket.socket())
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(listener.getsockname())
        daemon = make_gatepost(f"inet:127.0.0.1:{listener.getsockname()[1]}", **TIMEOUT)
        client = connect(daemon)
        start = time.monotonic()
        reply = client.command("EHLO client.example")
        if reply.code == 250:
            reply = client.command("MAIL FROM:<>")
        temporary(reply)
        assert time.monotonic() - start < 10
        daemon.wait_log(r"timed out")
        for filler in fillers:
            filler.close()


def test_missing_unix_socket(make_gatepost, connect, directory):
    daemon = make_gatepost(f"unix:{directory}/nothing", **TIMEOUT)
    client = connect(daemon)
    reply = client.command("EHLO client.example")
    if reply.code == 250:
        reply = client.command("MAIL FROM:<>")
    temporary(reply)
    daemon.wait_log(r"No such file or directory")


def test_pipelined_commands_after_a_fault(daemon, backend, connect):
    """However many commands were under way, the session ends with one 421."""
    backend.arm("RCPT", DROP)
    client = connect(daemon)
    client.ehlo()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")
    assert client.reply().code == 250
    assert temporary(client.reply()).code == 421
    assert client.rest() == b""


def test_large_content_to_a_backend_that_dies(daemon, backend, connect):
    """The client is still sending when the backend goes: it hears of it, at the latest at the
    end."""
    backend.arm("CONTENT", RESET)
    client = connect(daemon)
    client.ehlo()
    client.envelope("r@x")
    client.expect(354, "DATA")
    try:
        client.send((b"x" * 76 + b"\r\n") * 60_000 + b".\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass  # the 421 was sent before
    try:
        assert temporary(client.reply()).code in (421, 451)
    except Closed:
        pass  # a reset can overtake the reply; the sender keeps the mail all the same
    assert not backend.messages
