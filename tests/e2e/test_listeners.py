"""gatepost_listen: several listeners, each with parameters of its own."""

import pytest

from harness.client import Client
from harness.daemon import run_command
from harness.ports import free_port


def make_listeners(make_gatepost, endpoint, template, **parameters):
    """A daemon with gatepost_listen = template, in which @1 and @2 stand for its two ports."""
    daemon = make_gatepost(endpoint, start=False, **parameters)
    second = free_port()
    daemon.write_config(gatepost_listen=template.replace("@1", str(daemon.port))
                        .replace("@2", str(second)))
    daemon.start()
    return daemon, ("127.0.0.1", daemon.port), ("127.0.0.1", second)


@pytest.mark.parametrize("template", ["127.0.0.1:@1 127.0.0.1:@2", "127.0.0.1:@1,127.0.0.1:@2",
                                      "127.0.0.1:@1,\n  # a comment\n  { 127.0.0.1:@2 }"])
def test_spellings(make_gatepost, backend, template):
    _, first, second = make_listeners(make_gatepost, backend.endpoint, template)
    for address in (first, second):
        with Client(address) as client:
            assert "STARTTLS" in client.ehlo()


def test_overrides_hold_for_their_listener_alone(make_gatepost, make_backend):
    usual, other = make_backend(), make_backend("proxy1")
    _, first, second = make_listeners(
        make_gatepost, usual.endpoint,
        "127.0.0.1:@1 { 127.0.0.1:@2, smtpd_tls_security_level=encrypt,"
        f" gatepost_backend={other.endpoint}, gatepost_backend_protocol=proxy1,"
        " { smtpd_banner = other.example ESMTP with blanks } }")
    with Client(first, "127.0.0.2") as client:
        assert "with blanks" not in client.greeting.text
        client.ehlo()
        client.expect(250, "MAIL FROM:<>")
    assert len(usual.wait_sessions(1)) == 1 and not other.sessions
    with Client(second, "127.0.0.2") as client:
        assert client.greeting.text == "220 other.example ESMTP with blanks"
        client.ehlo()
        client.expect(530, "MAIL FROM:<>")
        client.starttls()
        client.ehlo()
        client.expect(250, "MAIL FROM:<>")
    assert other.wait_sessions(1)[0].proxy.server == second
    assert len(usual.sessions) == 1


def test_certificates_of_each_listener(make_gatepost, backend, certificates):
    rsa = certificates["rsa"]
    _, first, second = make_listeners(
        make_gatepost, backend.endpoint,
        f"127.0.0.1:@1 {{ 127.0.0.1:@2, smtpd_tls_cert_file={rsa.cert},"
        f" smtpd_tls_key_file={rsa.key} }}")
    shown = []
    for address in (first, second):
        with Client(address) as client:
            client.ehlo()
            client.starttls()
            shown.append(client.socket.getpeercert(binary_form=True))
    assert shown[0] != shown[1]


def test_host_name(make_gatepost, backend):
    _, first, _ = make_listeners(make_gatepost, backend.endpoint, "localhost:@1")
    with Client(first) as client:
        client.ehlo()


def test_port_alone_is_every_address(make_gatepost, backend):
    daemon, first, _ = make_listeners(make_gatepost, backend.endpoint, "@1")
    for address, source in ((first, "127.0.0.2"), (("::1", daemon.port), None)):
        with Client(address, source) as client:
            client.ehlo()
            client.expect(250, "MAIL FROM:<>")
    assert backend.sessions[0].proxy.client[0] == "127.0.0.2"  # not ::ffff:127.0.0.2


def test_port_in_use(make_gatepost, backend):
    taken = make_gatepost(backend.endpoint)
    late = make_gatepost(backend.endpoint, start=False)
    late.write_config(gatepost_listen=f"127.0.0.1:{taken.port}")
    result = run_command("-c", late.directory, "run")
    assert result.returncode not in (0, 64)
    assert "Address already in use" in result.stdout + result.stderr + late.log()
    with Client(taken.address) as client:
        client.ehlo()


@pytest.mark.parametrize("value", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "{",
                                   "{ 127.0.0.1:@1", "{ 127.0.0.1:@1, smtpd_tls_wrappermode }",
                                   "{ 127.0.0.1:@1, smtpd_tls_wrappermode=maybe }",
                                   "127.0.0.1:@1 127.0.0.1:@1", "[::1:@1", "unix:/tmp/x"])
def test_mistakes(make_gatepost, backend, value):
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(gatepost_listen=value.replace("@1", str(daemon.port)))
    for command in ("check", "run"):
        result = run_command("-c", daemon.directory, command)
        assert result.returncode == (1 if command == "check" else 78)
        assert "gatepost_listen" in result.stdout + result.stderr + daemon.log()
