"""How connections end: half-closed, without close_notify, with a reset, in every state of a session.
What was accepted stays accepted, what was cut off is never delivered, what a client has asked for is
answered as long as it listens, and nothing is left behind.
"""

import contextlib
import os
import re
import socket

import pytest

from harness.backend import CAPABILITIES
from harness.backend_dialogue import HANG, Say
from harness.client import Client
from harness.headers import split_ours
from harness.tls_pipe import TlsPipe
from harness.wait import wait_until

SOURCE = "127.0.0.2"
MESSAGE = b"Subject: x\r\n\r\nbody\r\n"
ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<r@x>\r\n"


@pytest.fixture
def front(make_gatepost, make_backend):
    """Daemon and backend, one worker; reach(tls) is a client after EHLO."""
    backend = make_backend(capabilities=CAPABILITIES + ("AUTH PLAIN LOGIN",))
    daemon = make_gatepost(backend.endpoint, smtpd_client_connection_count_limit="0",
                           smtpd_hard_error_limit="1000", smtpd_error_sleep_time="0",
                           gatepost_workers="1")
    daemon.backend = backend
    with contextlib.ExitStack() as clients:
        def reach(tls=False):
            client = clients.enter_context(Client(daemon.address, SOURCE))
            client.ehlo()
            if tls:
                client.expect(220, "STARTTLS")
                client.socket = TlsPipe(client.socket).handshake()
                client.ehlo()
            return client

        daemon.reach = reach
        yield daemon


def say_last(client, data, how):
    """Says this and nothing more, but hears all: how is "clear", "close_notify" (in one packet with
    the data, else it could come when the server has closed) or "truncated"."""
    if how == "close_notify":
        client.socket.tls.write(data)
        client.socket.say_goodbye()
    else:
        client.send(data)
    client.socket.shutdown(socket.SHUT_WR)


HALF = ["clear", "close_notify", "truncated"]


# Half-closed

@pytest.mark.parametrize("how", HALF)
def test_all_that_was_asked_is_answered(front, how):
    """Half-closed behind QUIT, behind the final dot, behind the last chunk, behind a group."""
    chunk = b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE
    for last, codes in ((b"QUIT\r\n", [221]), (b"NOOP\r\n", [250]), (b"VRFY x\r\n", [252]),
                        (ENVELOPE, [250, 250]), (ENVELOPE + b"QUIT\r\n", [250, 250, 221]),
                        (ENVELOPE + chunk, [250, 250, 250]),
                        (ENVELOPE + chunk + b"QUIT\r\n", [250, 250, 250, 221])):
        client = front.reach(how != "clear")
        say_last(client, last, how)
        assert [client.reply().code for _ in codes] == codes, last
        assert client.rest_unbroken() == b""
    for more, codes in ((b"", [250]), (b"QUIT\r\n", [250, 221]), (b"RSET\r\nQUIT\r\n", [250] * 2 + [221])):
        client = front.reach(how != "clear")
        client.envelope("r@x")
        client.expect(354, "DATA")
        say_last(client, MESSAGE + b".\r\n" + more, how)
        assert [client.reply().code for _ in codes] == codes, more
        assert client.rest_unbroken() == b""
    assert [split_ours(message.content)[1] for message in front.backend.messages] == [MESSAGE] * 5


@pytest.mark.parametrize("how", HALF)
def test_message_that_is_still_on_its_way_to_a_slow_backend(front, how):
    """Lines that grow on the way (LF becomes CRLF), more of them than the backend takes at once."""
    client = front.reach(how != "clear")
    client.envelope("r@x")
    client.expect(354, "DATA")
    content = b"Subject: x\r\n\r\n" + b"\n" * 3_000_000
    client.send(content)
    say_last(client, b"\r\n.\r\n", how)
    assert client.reply().code == 250
    assert client.rest_unbroken() == b""
    assert len(split_ours(front.backend.messages[0].content)[1]) == 2 * 3_000_000 + 16


@pytest.mark.parametrize("how", HALF)
def test_more_replies_than_sockets_hold(front, how):
    """A client that said all at once, and then reads slowly."""
    count, lines = 60, 100
    front.backend.arm("ETRN", Say(b"250-%s\r\n" % (b"x" * 998) * lines + b"250 end\r\n"))
    client = front.reach(how != "clear")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.expect(250, "MAIL FROM:<a@x>")
    say_last(client, b"ETRN x\r\n" * count, how)
    wait_until(lambda: front.backend.sessions[0].commands.count(b"ETRN x") > 1, "the commands")
    assert [client.reply().code for _ in range(count)] == [250] * count
    assert client.rest_unbroken() == b""


# Cut off

CUT_OFF = [b"", b"Subject: x", MESSAGE, MESSAGE + b".", MESSAGE + b".\r", MESSAGE[:-2] + b"\n.\n",
           MESSAGE[:-2] + b"\n.\r\n", MESSAGE + b".\n", MESSAGE + b"\0.\r\n", MESSAGE + b".\r\r\n",
           MESSAGE + b"..\r\n", b"x" * 300_000]


def end(client, how):
    """The client is gone."""
    if how == "close_notify":
        client.socket.say_goodbye()
    if how == "reset":
        client.reset()
    else:
        client.close()


@pytest.mark.parametrize("how", ["clear", "close_notify", "truncated", "reset"])
def test_what_is_cut_off_is_not_delivered(front, how):
    sessions = 0
    for content in CUT_OFF:
        client = front.reach(how != "clear")
        client.envelope("r@x")
        client.expect(354, "DATA")
        client.send(content)
        end(client, how)
        sessions += 1
    for size, content in ((10, b"x" * 9), (300_000, b"x" * 299_999), (5, b"")):
        client = front.reach(how != "clear")
        client.envelope("r@x")
        client.send(b"BDAT %d LAST\r\n" % size + content)
        end(client, how)
        sessions += 1
    wait_until(lambda: front.log().count(": disconnect from unknown[127.0.0.2]") == sessions,
               "all ends")
    wait_until(lambda: all(session.closed for session in front.backend.sessions), "the backend's")
    assert not front.backend.messages
    assert len(re.findall(r"lost connection after (?:DATA|BDAT) \(\d+ bytes\) from", front.log())) \
        == sessions


@pytest.mark.parametrize("how", ["clear", "close_notify", "truncated", "reset"])
def test_what_was_complete_is_delivered(front, how):
    """Once, although nobody waits for the reply."""
    for number in range(5):
        client = front.reach(how != "clear")
        client.envelope(f"r{number}@x")
        client.expect(354, "DATA")
        client.send(MESSAGE + b".\r\n")
        wait_until(lambda: len(front.backend.messages) > number, "the message")
        end(client, how)
    wait_until(lambda: front.log().count(": disconnect from unknown[127.0.0.2]") == 5, "all ends")
    assert len(front.backend.messages) == 5


# Every state

def nothing(_):
    pass


def said(line):
    """A command, and its reply."""
    def action(client):
        client.send(line)
        client.reply()
    return action


def unanswered(data):
    """Something, and no reply is waited for."""
    return lambda client: client.send(data)


def protected(client):
    """TLS."""
    client.expect(220, "STARTTLS")
    client.socket = TlsPipe(client.socket).handshake()
    client.ehlo()


def in_handshake(part):
    """STARTTLS and some bytes of a ClientHello."""
    def action(client):
        client.expect(220, "STARTTLS")
        client.send(TlsPipe(None).hello()[:part])
    return action


def server_has_spoken(client):
    """Between the server's flight and the client's."""
    client.expect(220, "STARTTLS")
    pipe = TlsPipe(client.socket)
    client.send(pipe.hello())
    pipe.feed()


STATES = {
    "ehlo": [nothing], "pending EHLO": [unanswered(b"EHLO x\r\n")], "half a line": [unanswered(b"NO")],
    "long line": [unanswered(b"x" * 5000)],
    "starttls": [said(b"STARTTLS\r\n")], "no hello": [unanswered(b"STARTTLS\r\n")],
    "half a hello": [in_handshake(100)], "hello": [in_handshake(10_000)],
    "server's flight": [server_has_spoken],
    "auth": [said(b"AUTH LOGIN\r\n")], "auth, second line": [said(b"AUTH LOGIN\r\n"), said(b"eA==\r\n")],
    "logged in": [said(b"AUTH LOGIN\r\n"), said(b"eA==\r\n"), said(b"c2VjcmV0\r\n")],
    "mail": [said(b"MAIL FROM:<a@x>\r\n")], "pending mail": [unanswered(b"MAIL FROM:<a@x>\r\n")],
    "rcpt": [said(b"MAIL FROM:<a@x>\r\n"), said(b"RCPT TO:<r@x>\r\n")],
    "pending data": [unanswered(ENVELOPE + b"DATA\r\n")],
    "data": [unanswered(ENVELOPE), Client.reply, Client.reply, said(b"DATA\r\n")],
    "content": [unanswered(ENVELOPE), Client.reply, Client.reply, said(b"DATA\r\n"),
                unanswered(b"Subject: x\r\n\r\nsome")],
    "chunk": [unanswered(ENVELOPE + b"BDAT 100 LAST\r\nSubject: x")],
    "between chunks": [unanswered(ENVELOPE + b"BDAT 10\r\nSubject: x"), Client.reply, Client.reply,
                       Client.reply],
    "quit": [unanswered(b"QUIT\r\n")], "refused": [unanswered(b"GET /\r\n")],
    "backend that hangs": [unanswered(b"VRFY x\r\n")],
}


def descriptors(daemon):
    """The open files of the worker."""
    return sorted(os.readlink(f"/proc/{pid}/fd/{name}").split(":")[0]
                  for pid in daemon.workers() for name in os.listdir(f"/proc/{pid}/fd")
                  if os.path.lexists(f"/proc/{pid}/fd/{name}"))


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_every_state_can_be_the_last(front, tls):
    """Closed, reset, half-closed and then closed: no session and no descriptor is left."""
    front.backend.arm("VRFY", HANG)
    front.reach().quit()
    wait_until(lambda: ": disconnect from" in front.log(), "the first session's end")
    before = descriptors(front)
    sessions = 1
    for name, actions in STATES.items():
        if tls and ("hello" in name or "flight" in name or name == "starttls"):
            continue
        for how in ("close", "reset", "half"):
            client = Client(front.address, SOURCE)
            client.ehlo()
            if tls:
                protected(client)
            for action in actions:
                action(client)
            if how == "half":
                client.socket.shutdown(socket.SHUT_WR)
            end(client, "reset" if how == "reset" else "clear")
            sessions += 1
    for how in ("close", "reset"):
        client = Client(front.address, SOURCE, greeting=False)
        end(client, "reset" if how == "reset" else "clear")
        sessions += 1
    for left in (2, 0):  # those that may still listen wait for a backend that hangs
        wait_until(lambda: front.log().count(": disconnect from unknown[127.0.0.2]") >=
                   sessions - left, "all ends")
        front.backend.close()
    wait_until(lambda: descriptors(front) == before, "the descriptors' end")
    assert not front.backend.messages
    front.reach(tls).quit()
