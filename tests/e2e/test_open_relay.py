"""A backend that cannot be told who the client is would take every stranger for localhost."""

import pytest

from harness.backend import CAPABILITIES
from harness.backend_dialogue import Say


def check_refused(daemon, client, advice):
    """421 at the latest to MAIL, no relaying, and a log line that says what to do."""
    reply = client.command("EHLO client.example")
    if reply.code == 250:
        reply = client.command("MAIL FROM:<a@client.example>")
    assert reply.code == 421 and reply.lines[-1].startswith("4."), reply.raw
    assert client.rest() == b""
    daemon.wait_log(advice)


@pytest.mark.parametrize("protocol", ["proxy2", "proxy1"])
def test_postfix_without_proxy_support(make_gatepost, connect, postfix, protocol):
    daemon = make_gatepost(postfix.plain_endpoint, gatepost_backend_protocol=protocol)
    check_refused(daemon, connect(daemon), "smtpd_upstream_proxy_protocol")
    check_refused(daemon, connect(daemon), "smtpd_upstream_proxy_protocol")


def test_postfix_without_xclient_permission(make_gatepost, connect, postfix):
    daemon = make_gatepost(postfix.plain_endpoint, gatepost_backend_protocol="xclient")
    check_refused(daemon, connect(daemon), "smtpd_authorized_xclient_hosts")


@pytest.mark.parametrize("protocol", ["proxy2", "proxy1", "xclient"])
def test_backend_without_support(make_gatepost, make_backend, connect, protocol):
    backend = make_backend("none")
    daemon = make_gatepost(backend.endpoint, gatepost_backend_protocol=protocol)
    check_refused(daemon, connect(daemon), "smtpd_(upstream_proxy_protocol|authorized_xclient_hosts)")
    assert not any(b"MAIL" in command for session in backend.all_sessions
                   for command in session.commands)


def test_xclient_that_cannot_tell_the_address(make_gatepost, make_backend, connect):
    backend = make_backend("none", CAPABILITIES + ("XCLIENT HELO PROTO",))
    daemon = make_gatepost(backend.endpoint, gatepost_backend_protocol="xclient")
    check_refused(daemon, connect(daemon), "smtpd_authorized_xclient_hosts|XCLIENT")


def test_xclient_that_is_refused(make_gatepost, make_backend, connect):
    backend = make_backend("xclient")
    backend.arm("XCLIENT", Say(b"550 5.7.0 Error: insufficient authorization\r\n"))
    daemon = make_gatepost(backend.endpoint, gatepost_backend_protocol="xclient")
    check_refused(daemon, connect(daemon), "smtpd_authorized_xclient_hosts|XCLIENT")


@pytest.mark.slow
def test_backend_that_wants_a_header_and_gets_none(make_gatepost, connect, postfix):
    """XCLIENT to a listener with haproxy: Postfix waits for a header that does not come."""
    daemon = make_gatepost(postfix.proxy_endpoint, gatepost_backend_protocol="xclient",
                           gatepost_backend_timeout="10s")
    client = connect(daemon)
    reply = client.command("EHLO client.example")
    if reply.code == 250:
        reply = client.command("MAIL FROM:<>")
    assert reply.code == 421, reply.raw


def test_none_needs_the_operators_word(make_gatepost, make_backend, connect):
    backend = make_backend("none")
    daemon = make_gatepost(backend.endpoint, gatepost_backend_protocol="none",
                           gatepost_backend_trusts_localhost="no")
    client = connect(daemon)
    client.ehlo()
    client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    assert len(backend.messages) == 1
