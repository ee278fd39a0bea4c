"""A client that keeps a session alive with a byte now and then (smtpd_per_request_deadline), or sends
a message at a snail's pace (smtpd_min_data_rate)."""

import contextlib
import socket
import ssl
import time

import pytest

from harness.backend import CAPABILITIES
from harness.backend_dialogue import Say
from harness.client import tls_context
from harness.daemon import HOSTNAME

TIMEOUT = f"421 4.4.2 {HOSTNAME} Error: timeout exceeded"
PATIENCE = 30.  # far beyond every deadline here


@pytest.fixture
def make_strict(make_gatepost, backend):
    """make_strict(timeout, ...): a daemon with time limits for whole requests."""
    return lambda timeout, **parameters: make_gatepost(backend.endpoint, **(
        {"smtpd_timeout": timeout, "smtpd_per_request_deadline": "yes",
         "smtpd_junk_command_limit": "1000000"} | parameters))


def is_silent(client, seconds):
    """Whether the server says nothing for so long."""
    client.socket.settimeout(max(seconds, 0.001))
    try:
        client.socket.recv(1, socket.MSG_PEEK)
        return False
    except TimeoutError:
        return True
    except ConnectionResetError:  # an end, too
        return False
    finally:
        client.socket.settimeout(PATIENCE)


def trickle(client, chunks, interval):
    """Sends a chunk every so often until all are sent (True) or the server speaks (False)."""
    start = time.monotonic()
    for number, chunk in enumerate(chunks, 1):
        if not is_silent(client, start + number * interval - time.monotonic()):
            return False
        client.send(chunk)
    return True


def drip(client, data, interval):
    """The same with single bytes."""
    return trickle(client, [data[i:i + 1] for i in range(len(data))], interval)


def in_content(client, command="DATA"):
    """To where content is due."""
    client.ehlo()
    client.envelope("r@gatepost.test")
    if command == "DATA":
        client.expect(354, command)
    else:
        client.send(command.encode() + b"\r\n")


def test_dripping_command(make_strict, connect):
    daemon = make_strict("2s")
    client = connect(daemon)
    client.ehlo()
    start = time.monotonic()
    assert not drip(client, b"MAIL FROM:<" + b"x" * 300, 0.2)
    assert 1.9 < time.monotonic() - start < 15
    assert client.reply().text == TIMEOUT and client.rest() == b""
    daemon.wait_log(r"NOQUEUE: timeout after EHLO from unknown\[127\.0\.0\.2\]$")


@pytest.mark.slow
def test_dripping_command_without_a_deadline(make_gatepost, backend, connect):
    """The limit is for each byte then."""
    client = connect(make_gatepost(backend.endpoint, smtpd_timeout="4s"))
    start = time.monotonic()
    assert drip(client, b"EHLO " + b"x" * 20, 0.25)
    assert time.monotonic() - start > 5
    assert client.command("").code == 250


def test_dripping_command_over_tls(make_strict, connect):
    daemon = make_strict("2s")
    client = connect(daemon)
    client.starttls(tls_context(maximum=ssl.TLSVersion.TLSv1_2))  # no tickets to be read
    client.ehlo()
    start = time.monotonic()
    client.socket.settimeout(0.2)
    while time.monotonic() - start < PATIENCE:
        client.send(b"x")
        try:
            text = client.line()
            break
        except TimeoutError:
            continue
    assert text.decode().rstrip() == TIMEOUT
    assert 1.9 < time.monotonic() - start < 15


@pytest.mark.slow
def test_each_request_has_its_own_time(make_strict, connect):
    client = connect(make_strict("3s"))
    start = time.monotonic()
    while time.monotonic() - start < 6:
        assert drip(client, b"NOOP\r\n", 0.1)
        assert client.reply().code == 250
    client.quit()


@pytest.mark.slow
def test_lines_of_an_exchange_are_one_request(make_strict, make_backend, connect):
    """As with Postfix, a client has one smtpd_timeout for all of AUTH."""
    backend = make_backend(capabilities=CAPABILITIES + ("AUTH LOGIN",))
    client = connect(make_strict("4s", gatepost_backend=backend.endpoint))
    client.ehlo()
    client.expect(334, "AUTH LOGIN")
    start = time.monotonic()
    assert drip(client, b"bWU=\r\n", 0.35)
    assert client.reply().code == 334
    assert not drip(client, b"c2VjcmV0" * 10, 0.35)
    assert 3.9 < time.monotonic() - start < 15
    assert client.reply().text == TIMEOUT


@pytest.mark.slow
@pytest.mark.parametrize("command", ["DATA", "BDAT 1000000 LAST"])
def test_slow_content(make_strict, backend, connect, command):
    """500 bytes a second where 1000 are asked for: twice the time, and the end."""
    daemon = make_strict("2s", smtpd_min_data_rate="1000")
    client = connect(daemon)
    in_content(client, command)
    start = time.monotonic()
    assert not trickle(client, [b"x" * 48 + b"\r\n"] * 300, 0.1)
    assert 1.9 < time.monotonic() - start < 20
    assert client.reply().text == TIMEOUT
    word = command.split()[0]
    daemon.wait_log(rf"timeout after {word} \(\d+ bytes\) from unknown\[127\.0\.0\.2\]$")
    assert not backend.messages


@pytest.mark.slow
@pytest.mark.parametrize("command", ["DATA", "BDAT"])
def test_content_that_is_fast_enough(make_strict, backend, connect, command):
    """It may last as long as it likes."""
    chunk, count = (b"x" * 398 + b"\r\n"), 90
    daemon = make_strict("3s", smtpd_min_data_rate="1000")
    client = connect(daemon)
    in_content(client, "DATA" if command == "DATA" else f"BDAT {len(chunk) * count} LAST")
    start = time.monotonic()
    assert trickle(client, [chunk] * count, 0.1)
    assert time.monotonic() - start > 8
    if command == "DATA":
        client.send(b".\r\n")
    assert client.reply().code == 250
    assert len(backend.messages[0].content) > len(chunk) * count


def test_handshake_as_a_whole(make_gatepost, backend, connect):
    """smtpd_starttls_timeout limits all of it, whether requests have deadlines or not."""
    daemon = make_gatepost(backend.endpoint, smtpd_starttls_timeout="2s")
    client = connect(daemon)
    client.expect(220, "STARTTLS")
    start = time.monotonic()
    assert not drip(client, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 0.1)
    assert 1.9 < time.monotonic() - start < 15
    daemon.wait_log(r"SSL_accept error from unknown\[127\.0\.0\.2\]: Connection timed out$")


@pytest.mark.slow
def test_client_that_does_not_take_what_the_backend_says(make_strict, backend, connect):
    """It is not taken for a backend that does not answer."""
    daemon = make_strict("2s", smtpd_hard_error_limit="1000000",
                         smtpd_soft_error_limit="1000000")
    backend.arm("HELP", Say(b"214-" + b"x" * 1000 + b"\r\n214 x\r\n"))
    client = connect(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<>")
    client.socket.settimeout(0.1)
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE and "after HELP" not in daemon.log():
        with contextlib.suppress(OSError):
            client.send(b"HELP\r\n" * 1000)
    daemon.wait_log(r"(timeout|lost connection) after HELP from unknown\[127\.0\.0\.2\]")
    assert "warning: backend" not in daemon.log()
