"""Clients that go away while the backend keeps them waiting, and ones whose last words must arrive."""

import contextlib
import socket
import ssl
import time

import pytest

from harness.backend import CAPABILITIES
from harness.backend_dialogue import HANG, Say
from harness.client import Client
from harness.jam import open_small
from harness.tls_pipe import TlsPipe
from harness.wait import readable, wait_until

SOURCE = "127.0.0.2"
ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<r@x>\r\n"
MESSAGE = b"Subject: x\r\n\r\nbody\r\n"
LONG_AGO = 100  # seconds: less than gatepost_backend_timeout, more than any wait here may take


@pytest.fixture
def front(make_gatepost, make_backend):
    """Daemon and backend; reach(tls) is a client after EHLO."""
    backend = make_backend(capabilities=CAPABILITIES + ("AUTH PLAIN LOGIN",))
    daemon = make_gatepost(backend.endpoint, smtpd_client_connection_count_limit="0",
                           smtpd_forbid_unauth_pipelining="no", gatepost_backend_timeout="600s")
    daemon.backend = backend
    with contextlib.ExitStack() as clients:
        def reach(tls=False):
            client = clients.enter_context(Client(daemon.address, SOURCE))
            client.ehlo()
            if tls:
                client.starttls()
                client.ehlo()
            return client

        daemon.reach = reach
        yield daemon


def wait_both_ends(daemon, count=1):
    """The session and its backend's are over."""
    wait_until(lambda: daemon.log().count(f": disconnect from unknown[{SOURCE}]") == count,
               "the session's end", LONG_AGO)
    wait_until(lambda: all(session.closed for session in daemon.backend.sessions),
               "the backend's end", LONG_AGO)


# What the client waits for: the step at which the backend hangs, what is said before it, what is
# said then.
WAITS = {
    "connection": ("CONNECT", [], b"MAIL FROM:<a@x>\r\n"),
    "command": ("VRFY", [], b"VRFY x\r\n"),
    "group": ("MAIL", [], ENVELOPE + b"DATA\r\n"),
    "and more": ("MAIL", [], ENVELOPE + b"DATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"),
    "data": ("DATA", [b"MAIL FROM:<a@x>", b"RCPT TO:<r@x>"], b"DATA\r\n"),
    "auth": ("AUTH", [b"AUTH LOGIN"], b"eA==\r\n"),
    "chunk": ("BDAT", [b"MAIL FROM:<a@x>", b"RCPT TO:<r@x>"], b"BDAT 3\r\nxyz"),
}


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("what", WAITS)
def test_reset_is_noticed_while_the_backend_hangs(front, what, tls):
    step, before, last = WAITS[what]
    client = front.reach(tls)
    if step != "AUTH":
        front.backend.arm(step, HANG)
    for line in before:
        client.command(line)
    if step == "AUTH":
        front.backend.arm(step, HANG)
    client.send(last)
    wait_until(lambda: front.backend.sessions or front.backend.all_sessions, "the backend session")
    started = time.monotonic()
    client.reset()
    wait_both_ends(front)
    assert time.monotonic() - started < LONG_AGO
    assert not front.backend.messages
    assert "lost connection after" in front.log()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["close", "half"])
def test_closed_client_is_kept_for_a_while_only(front, how):
    """It may still listen: the answers that come soon, it gets."""
    front.backend.arm("VRFY", HANG)
    client = front.reach()
    client.send(b"VRFY x\r\n")
    wait_until(lambda: front.backend.sessions and b"VRFY x" in front.backend.sessions[0].commands,
               "the command")
    if how == "close":
        client.close()
    else:
        client.socket.shutdown(socket.SHUT_WR)
    wait_both_ends(front)
    assert f"lost connection after VRFY from unknown[{SOURCE}]" in front.log()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_verdict_is_waited_for(front, how):
    """After the final dot the message may be accepted: that is waited for, and counted."""
    client = front.reach()
    client.envelope("r@late-end")
    client.expect(354, "DATA")
    client.send(MESSAGE + b".\r\n")
    wait_until(lambda: front.backend.sessions[0].received.endswith(b"\r\n.\r\n"), "the end of data")
    end = client.close if how == "close" else client.reset
    end()
    front.reach().quit()
    wait_until(lambda: front.log().count(": disconnect from") == 1, "the other session's end")
    assert not front.backend.sessions[0].closed
    front.backend.late.set()
    wait_both_ends(front, 2)
    assert len(front.backend.messages) == 1
    assert " data=1 " in front.log()


# Last words

def says_goodbye(client):
    """Whether close_notify is what comes next, before the end of file."""
    while True:
        try:
            return client.socket.tls.read(1) == b""
        except ssl.SSLWantReadError:
            if not client.socket.feed():
                return False


MORE = {"nothing": b"", "commands": b"NOOP\r\n" * 100_000, "binary": b"\0" * 1_000_000}


@pytest.mark.parametrize("what", MORE)
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_goodbye_arrives_whatever_follows_quit(front, tls, what):
    """A server that closes at once would answer what follows with a reset, which may destroy what the
    client has not read. Over TLS something may follow when 221 is on its way: the client's own
    close_notify. In cleartext it is what was pipelined."""
    client = front.reach()
    raw = client.socket
    if tls:
        client.expect(220, "STARTTLS")
        client.socket = TlsPipe(raw).handshake()
        client.ehlo()
    if tls:
        client.send(b"QUIT\r\n")
        wait_until(lambda: readable(raw, 0), "221")
        client.send(MORE[what])
    else:
        client.send(b"QUIT\r\n" + MORE[what])
    assert client.reply().code == 221
    assert not tls or says_goodbye(client)
    assert client.rest_unbroken() == b""


def test_goodbye_waits_for_room(front):
    """The client reads nothing until all has been said; close_notify comes behind the replies."""
    client = open_small(front.address, SOURCE)
    client.ehlo()
    client.expect(220, "STARTTLS")
    client.socket = TlsPipe(client.socket).handshake()
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@x>")
    front.backend.arm("ETRN", Say((b"250-%s\r\n" % (b"x" * 998)) * 60 + b"250 end\r\n"))
    client.send(b"ETRN x\r\n" * 40 + b"QUIT\r\n")
    wait_until(lambda: len(front.backend.sessions[0].commands) > 3, "the commands")
    assert [client.reply().code for _ in range(40)] == [250] * 40
    assert client.reply().code == 221
    assert says_goodbye(client)
    assert client.rest_unbroken() == b""
