"""smtpd_tls_wrappermode: TLS from the first byte, as on port 465."""

import pytest

from harness.client import Client
from harness.headers import split_delivered

CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
def daemon(make_gatepost, postfix):
    """A daemon whose only listeners speak TLS at once."""
    return make_gatepost(postfix.proxy_endpoint, smtpd_tls_wrappermode="yes")


def open_tls(connect, daemon, **options):
    """A client after the handshake and the greeting."""
    client = connect(daemon, greeting=False, **options)
    client.handshake()
    client.greeting = client.reply()
    return client


def test_delivery(daemon, connect, postfix, recipient):
    client = open_tls(connect, daemon)
    assert client.greeting.code == 220
    keywords = client.ehlo()
    assert "STARTTLS" not in keywords and "PIPELINING" in keywords
    address = recipient()
    client.deliver(address, CONTENT)
    assert client.command("STARTTLS").text == "554 5.5.1 Error: TLS already active"
    client.quit()
    _, ours, rest = split_delivered(postfix.wait_mail(address))
    assert ours.protection.startswith("(using TLSv1.3 with cipher TLS_")
    assert rest == CONTENT.replace(b"\r\n", b"\n")


def test_plaintext_gets_no_smtp(daemon, connect):
    client = connect(daemon, greeting=False)
    client.send(b"EHLO x.example\r\nMAIL FROM:<>\r\n")
    rest = client.rest()
    assert b"250" not in rest and b"220" not in rest
    daemon.wait_log(r"SSL_accept error from unknown\[127\.0\.0\.2\]: ")
    daemon.wait_log(r"lost connection after CONNECT from unknown\[127\.0\.0\.2\]")


def test_silence_does_not_last(make_gatepost, postfix, connect):
    daemon = make_gatepost(postfix.proxy_endpoint, smtpd_tls_wrappermode="yes",
                           smtpd_starttls_timeout="1s")
    assert connect(daemon, greeting=False).rest() == b""


def test_beside_a_starttls_listener(make_gatepost, postfix):
    """One process, both kinds."""
    daemon = make_gatepost(postfix.proxy_endpoint, start=False)
    daemon.write_config(gatepost_listen=f"127.0.0.1:{daemon.port}, "
                        f"{{ [::1]:{daemon.port6}, smtpd_tls_wrappermode=yes }}")
    daemon.start()
    with Client(daemon.address, "127.0.0.2") as plain:
        assert "STARTTLS" in plain.ehlo()
    with Client(daemon.address6, greeting=False) as wrapped:
        wrapped.handshake()
        assert wrapped.reply().code == 220
        assert "STARTTLS" not in wrapped.ehlo()
