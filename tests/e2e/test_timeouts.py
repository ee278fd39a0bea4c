"""Nobody can hold a session for longer than the operator allows."""

import threading
import time

import pytest

from harness.backend_dialogue import HANG, After, Say
from harness.daemon import HOSTNAME

TIMEOUT_REPLY = f"421 4.4.2 {HOSTNAME} Error: timeout exceeded"
SHORT = {"smtpd_timeout": "1s", "smtpd_starttls_timeout": "1s"}


@pytest.fixture
def daemon(make_gatepost, backend):
    """Short timeouts for clients."""
    return make_gatepost(backend.endpoint, **SHORT)


def check_timeout(client, start):
    """The reply, and the end, in good time."""
    assert client.reply().text == TIMEOUT_REPLY
    assert client.rest() == b""
    assert 0.9 < time.monotonic() - start < 10


def test_silence_after_the_greeting(daemon, connect):
    client = connect(daemon)
    check_timeout(client, time.monotonic())
    daemon.wait_log(r"timeout after CONNECT from unknown\[127\.0\.0\.2\]")


def test_silence_after_a_command(daemon, connect):
    client = connect(daemon)
    client.ehlo()
    check_timeout(client, time.monotonic())
    daemon.wait_log(r"timeout after EHLO from unknown\[127\.0\.0\.2\]")


def test_half_a_command(daemon, connect):
    client = connect(daemon)
    client.ehlo()
    client.send(b"MAIL FROM:<")
    check_timeout(client, time.monotonic())


def test_silence_within_a_transaction(daemon, backend, connect):
    client = connect(daemon)
    client.ehlo()
    client.envelope("r@gatepost.test")
    check_timeout(client, time.monotonic())
    daemon.wait_log(r"timeout after RCPT from unknown\[127\.0\.0\.2\]")
    assert not backend.messages


def test_silence_within_the_content(daemon, backend, connect):
    client = connect(daemon)
    client.ehlo()
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    client.send(b"Subject: x\r\n")
    check_timeout(client, time.monotonic())
    daemon.wait_log(r"timeout after DATA \(\d+ bytes\) from unknown\[127\.0\.0\.2\]")
    assert not backend.messages


def test_silence_within_tls(daemon, connect):
    client = connect(daemon)
    client.ehlo()
    client.starttls()
    check_timeout(client, time.monotonic())
    daemon.wait_log(r"timeout after STARTTLS from unknown\[127\.0\.0\.2\]")


def test_silence_instead_of_a_handshake(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, smtpd_starttls_timeout="1s")
    client = connect(daemon)
    client.ehlo()
    client.expect(220, "STARTTLS")
    start = time.monotonic()
    assert client.rest() == b""
    assert 0.9 < time.monotonic() - start < 10
    daemon.wait_log(r"SSL_accept error from unknown\[127\.0\.0\.2\]: Connection timed out")


@pytest.mark.slow
def test_activity_starts_the_clock_again(make_gatepost, backend, connect):
    """The timeout is for each command, not for the session."""
    daemon = make_gatepost(backend.endpoint, smtpd_timeout="2s",
                           smtpd_junk_command_limit="1000000000")
    client = connect(daemon)
    limit = time.monotonic() + 4
    while time.monotonic() < limit:
        client.expect(250, "NOOP")
    client.quit()


def test_client_that_does_not_read(make_gatepost, backend, connect):
    """Replies that nobody fetches do not pile up for ever."""
    daemon = make_gatepost(backend.endpoint, smtpd_junk_command_limit="1000000000", **SHORT)
    client = connect(daemon)
    client.ehlo()
    client.socket.settimeout(20)
    try:
        for _ in range(100_000):
            client.send(b"RSET\r\n" * 1000)
    except OSError:
        pass  # that is what should happen: the connection is closed in the middle
    else:
        pytest.fail("100 million commands were taken without a reply being read")
    daemon.wait_log(r"(timeout|lost connection) after RSET from unknown\[127\.0\.0\.2\]")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "END"])
def test_client_timeout_does_not_run_while_the_backend_thinks(make_gatepost, backend, connect,
                                                             step):
    """A slow backend has its own, longer timeout."""
    daemon = make_gatepost(backend.endpoint, smtpd_timeout="1s", gatepost_backend_timeout="3s",
                           gatepost_workers="1")
    connect(daemon).ehlo()
    backend.arm(step, HANG)
    client = connect(daemon)
    client.ehlo()
    start = time.monotonic()
    client.send(b"MAIL FROM:<>\r\n")
    reply = client.reply()
    if step == "END":
        client.expect(250, "RCPT TO:<r@gatepost.test>")
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        start = time.monotonic()
        reply = client.reply()
    assert reply.code in (421, 451)
    assert "timeout exceeded" not in reply.text
    assert 2.5 < time.monotonic() - start < 15
    assert not backend.messages


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "TLS"])
def test_client_clock_starts_with_the_reply(make_gatepost, backend, connect, tls):
    """A client that waited long for the backend has all of smtpd_timeout for its next command."""
    daemon = make_gatepost(backend.endpoint, smtpd_timeout="2s", gatepost_workers="1")
    client = connect(daemon)
    client.ehlo()
    if tls:
        client.starttls()
        client.ehlo()
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    answer = threading.Event()
    backend.arm("END", After(answer, b"250 2.0.0 Ok\r\n"))
    client.send(b"Subject: x\r\n\r\n.\r\n")
    start = time.monotonic()
    threading.Timer(3, answer.set).start()
    assert client.reply().code == 250
    assert time.monotonic() - start > 2.5
    check_timeout(client, time.monotonic())


@pytest.mark.slow
def test_deaf_client_is_not_the_backends_fault(make_gatepost, backend, connect):
    """Replies of the backend wait for a client that fetches none: it is the client's time that runs
    out, however short the backend's is."""
    daemon = make_gatepost(backend.endpoint, smtpd_timeout="3s", gatepost_backend_timeout="1s")
    client = connect(daemon)
    client.ehlo()
    client.envelope("r@gatepost.test")
    backend.arm("RCPT", Say(b"250 2.1.5 " + b"x" * 490 + b"\r\n"))
    client.socket.settimeout(0.5)
    try:
        for _ in range(1000):
            client.send(b"RCPT TO:<r@gatepost.test>\r\n" * 1000)
    except OSError:
        pass  # nothing goes any more
    daemon.wait_log(r"timeout after RCPT from unknown\[127\.0\.0\.2\]")
    assert "warning: backend" not in daemon.log()
