"""AUTH exchanges go through to the end, and not before TLS where that is not wanted."""

import pytest

from harness.backend import CAPABILITIES

AUTH = CAPABILITIES + ("AUTH PLAIN LOGIN", "AUTH=PLAIN LOGIN")


@pytest.fixture
def backend(make_backend):
    """A backend that knows AUTH."""
    return make_backend(capabilities=AUTH)


def auth_lines(client):
    """The EHLO lines about AUTH."""
    return {line for line in client.ehlo() if line.startswith("AUTH")}


def login(client, password):
    """AUTH LOGIN in three steps; the last reply."""
    assert client.command("AUTH LOGIN").code == 334
    assert client.command("bWU=").code == 334
    return client.command(password)


def test_exchange(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    assert auth_lines(client) == {"AUTH PLAIN LOGIN", "AUTH=PLAIN LOGIN"}
    assert login(client, "d3Jvbmc=").code == 535
    assert login(client, "c2VjcmV0").code == 235
    client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    assert len(backend.messages) == 1 and len(backend.sessions) == 1
    client.quit()


def test_lines_of_an_exchange_are_not_commands(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert client.command("AUTH LOGIN").code == 334
    assert client.command("QUIT").code == 334
    assert client.command("STARTTLS").code == 535
    assert client.command("NOOP").code == 250
    assert client.command("AUTH LOGIN").code == 334
    assert client.command("eA==").code == 334
    assert client.command("*").code == 501
    assert client.command("NOOP").code == 250


def test_exchange_over_tls(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    client.starttls()
    client.ehlo()
    assert login(client, "c2VjcmV0").code == 235


def test_long_response(make_gatepost, backend, connect):
    """RFC 4954 allows 12288 bytes."""
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert client.command("AUTH LOGIN").code == 334
    assert client.command("eA==" * 3000).code == 334
    assert client.command("c2VjcmV0").code == 235


def test_response_that_is_too_long(make_gatepost, backend, connect):
    """It ends the exchange for both, and the session goes on."""
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert client.command("AUTH LOGIN").code == 334
    assert client.command("NOOP" * 20_000).text == "500 5.5.6 SASL response limit exceeded"
    assert client.command("AUTH LOGIN").code == 334
    assert client.command("eA==").code == 334
    assert client.command("A" * 12_289).code == 500
    assert client.command("NOOP").code == 250
    assert login(client, "c2VjcmV0").code == 235
    client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    assert backend.sessions[0].commands == [b"EHLO client.example", b"AUTH LOGIN", b"AUTH LOGIN", b"NOOP",
                                            b"AUTH LOGIN", *backend.sessions[0].commands[5:]]


def test_authentication_ends_with_the_cleartext_session(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert login(client, "c2VjcmV0").code == 235
    client.starttls()
    client.ehlo()
    client.expect(250, "MAIL FROM:<>")
    first, second = backend.wait_sessions(2)
    assert b"AUTH LOGIN" in first.commands and b"AUTH LOGIN" not in second.commands


@pytest.mark.parametrize("parameters", [{"smtpd_tls_auth_only": "yes"},
                                        {"smtpd_tls_security_level": "encrypt"}])
def test_auth_only(make_gatepost, backend, connect, parameters):
    client = connect(make_gatepost(backend.endpoint, **parameters))
    assert not auth_lines(client)
    reply = client.command("AUTH LOGIN")
    assert reply.code in (503, 530, 538)
    assert not backend.sessions
    client.starttls()
    assert auth_lines(client) == {"AUTH PLAIN LOGIN", "AUTH=PLAIN LOGIN"}
    assert login(client, "c2VjcmV0").code == 235


def test_backend_that_dies_within_the_exchange(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert client.command("AUTH LOGIN").code == 334
    backend.close()
    reply = client.command("bWU=")
    assert reply.code in (421, 454)
