"""Who speaks before its turn: injection behind STARTTLS, unauthorized pipelining."""

import socket
import ssl

import pytest

from harness.client import Closed, tls_context

SYNC = "554 5.5.0 Error: SMTP protocol synchronization"


@pytest.mark.parametrize("injected", [b"RSET\r\n", b"MAIL FROM:<x@y>\r\n", b"EHLO z\r\nMAIL FROM:<>",
                                      b"\0", b"Q"])
def test_plaintext_behind_starttls(make_gatepost, backend, connect, injected):
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    client.ehlo()
    client.send(b"STARTTLS\r\n" + injected)
    assert client.reply().text == SYNC
    assert client.rest() == b""
    assert not backend.sessions
    daemon.wait_log(r"improper command pipelining after STARTTLS from unknown\[127\.0\.0\.2\]")


def test_client_hello_behind_starttls(make_gatepost, backend, connect):
    """Whatever comes in the same flight was sent before the 220, TLS or not."""
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    client.send(b"STARTTLS\r\n" + client_hello())
    assert client.reply().text == SYNC


def client_hello():
    """A real ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = tls_context().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_plaintext_instead_of_client_hello(make_gatepost, backend, connect):
    """Bytes that come later go into the TLS engine, which does not like them."""
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    client.ehlo()
    client.expect(220, "STARTTLS")
    client.send(b"MAIL FROM:<x@y>\r\n")
    assert b"250" not in client.rest()
    daemon.wait_log(r"SSL_accept error from unknown\[127\.0\.0\.2\]: ")
    daemon.wait_log(r"lost connection after STARTTLS from unknown\[127\.0\.0\.2\]")
    assert not backend.sessions


def test_pipelined_inside_tls_is_fine(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    client.ehlo()
    client.starttls()
    client.ehlo()
    address = recipient()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % address.encode())
    assert [client.reply().code for _ in range(3)] == [250, 250, 354]
    client.send(b"Subject: x\r\n\r\n.\r\nQUIT\r\n")
    assert [client.reply().code for _ in range(2)] == [250, 221]
    assert postfix.wait_mail(address)


@pytest.mark.parametrize("commands, replies", [
    (b"EHLO x.example\r\nRSET\r\n", 1),
    (b"HELO x.example\r\nMAIL FROM:<>\r\n", 1),
    (b"RSET\r\nRSET\r\n", 1),  # not ESMTP yet: nothing may be pipelined
])
def test_unauthorized_pipelining(make_gatepost, backend, connect, commands, replies):
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    client.send(commands)
    got = []
    with pytest.raises(Closed):
        while True:
            got.append(client.reply())
    assert got[-1].text == SYNC and len(got) <= replies + 1
    daemon.wait_log(r"improper command pipelining after \w+ from unknown\[127\.0\.0\.2\]")
    assert not backend.sessions


@pytest.mark.parametrize("verb", [b"NOOP", b"EHLO x.example", b"VRFY x"])
def test_unauthorized_pipelining_after_ehlo(make_gatepost, backend, connect, verb):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    client.send(verb + b"\r\nMAIL FROM:<>\r\n")
    replies = client.rest()
    assert replies.endswith(SYNC.encode() + b"\r\n"), replies
    assert all(b"MAIL FROM:<>" not in session.commands for session in backend.sessions)


def test_content_before_354(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    client.envelope("r@gatepost.test")
    client.send(b"DATA\r\nSubject: early\r\n\r\n.\r\n")
    assert client.rest().endswith(SYNC.encode() + b"\r\n")
    assert not backend.messages


def test_talking_before_the_greeting(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint)
    received = b""
    with socket.create_connection(daemon.address, 30, ("127.0.0.2", 0)) as conn:
        # The bytes are there with the handshake of TCP, or a moment later: then it is a client
        # that does not wait for the reply to EHLO.
        conn.sendall(b"EHLO x.example\r\nMAIL FROM:<>\r\n")
        while data := conn.recv(4096):
            received += data
    assert received.endswith(SYNC.encode() + b"\r\n"), received
    assert not backend.sessions


def test_pipelining_can_be_tolerated(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_unauth_pipelining="no")
    client = connect(daemon)
    client.send(b"EHLO x.example\r\nNOOP\r\nMAIL FROM:<>\r\n")
    assert [client.reply().code for _ in range(3)] == [250, 250, 250]
    daemon.wait_log(r"improper command pipelining after EHLO from unknown\[127\.0\.0\.2\]: NOOP")
