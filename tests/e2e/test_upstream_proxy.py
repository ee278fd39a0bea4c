"""Behind a load balancer: the client is who the PROXY header says, if the sender may say so."""

import itertools
import json
import re
import socket
import struct
import time

import pytest

from harness.client import Client, Closed
from harness.daemon import HOSTNAME, run_command
from harness.headers import split_delivered
from harness.wait import wait_until

LOCAL_ERROR = f"421 4.3.0 {HOSTNAME} Server local error"
CLIENT, SERVER = ("192.0.2.7", 4711), ("198.51.100.1", 25)
CLIENT6, SERVER6 = ("2001:db8::7", 4711), ("2001:db8::1", 25)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version1(client=CLIENT, server=SERVER):
    """A header as text."""
    kind = "TCP6" if ":" in client[0] else "TCP4"
    return f"PROXY {kind} {client[0]} {server[0]} {client[1]} {server[1]}\r\n".encode()


def version2(client=CLIENT, server=SERVER, extra=b"", command=0x21):
    """A header in binary, with additional fields."""
    family, code = (socket.AF_INET6, 0x21) if ":" in client[0] else (socket.AF_INET, 0x11)
    body = socket.inet_pton(family, client[0]) + socket.inet_pton(family, server[0]) + \
        struct.pack("!HH", client[1], server[1]) + extra
    return SIGNATURE + struct.pack("!BBH", command, code, len(body)) + body


TLV = b"\x04\x00\x03xyz" + b"\x01\x00\x02h2"


@pytest.fixture
def make_proxied(make_gatepost, backend):
    """make_proxied(...): a daemon that believes 127.0.0.2 and ::1."""
    return lambda endpoint=None, **parameters: make_gatepost(endpoint or backend.endpoint, **(
        {"smtpd_upstream_proxy_protocol": "haproxy",
         "gatepost_upstream_proxy_networks": "127.0.0.2 [::1]"} | parameters))


def through_proxy(connect, daemon, header, greeting=True, **options):
    """A connection that begins with the header; with greeting, up to it."""
    client = connect(daemon, greeting=False, **options)
    client.send(header)
    if greeting:
        client.greeting = client.reply()
    return client


def check_words(client):
    """421."""
    assert client.reply().text == LOCAL_ERROR


def check_refused(client):
    """421 and the end."""
    check_words(client)
    assert client.rest() == b""


@pytest.mark.parametrize("header, peer", [
    (version1(), CLIENT), (version2(), CLIENT), (version2(extra=TLV), CLIENT),
    (version1(CLIENT6, SERVER6), CLIENT6), (version2(CLIENT6, SERVER6), CLIENT6),
    (version2(("::ffff:192.0.2.7", 4711), SERVER6), CLIENT)],
    ids=["v1", "v2", "v2-tlv", "v1-6", "v2-6", "v2-mapped"])
@pytest.mark.parametrize("protocol", ["proxy1", "proxy2"])
def test_addresses(make_proxied, make_backend, connect, header, peer, protocol):
    """The backend is told the client's address and port; the log has the address."""
    backend = make_backend(protocol)
    daemon = make_proxied(backend.endpoint, gatepost_backend_protocol=protocol)
    client = through_proxy(connect, daemon, header)
    client.ehlo()
    client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    client.quit()
    assert backend.wait_sessions(1)[0].proxy.client == peer
    daemon.wait_log(rf" connect from unknown\[{re.escape(peer[0])}\]$")
    daemon.wait_log(rf"disconnect from unknown\[{re.escape(peer[0])}\] ehlo=1 ")
    address = ("IPv6:" if ":" in peer[0] else "") + peer[0]
    assert f"Received-TLS: from client.example ([{address}])".encode() in \
        backend.messages[0].content


def test_server_address(make_proxied, backend, connect):
    through_proxy(connect, make_proxied(), version2()).command("MAIL FROM:<>")
    assert backend.wait_sessions(1)[0].proxy.server == SERVER


@pytest.mark.parametrize("header", [version1(), version2(extra=TLV)], ids=["v1", "v2"])
def test_header_in_pieces(make_proxied, connect, header):
    daemon = make_proxied()
    client = connect(daemon, greeting=False)
    client.send_pieces(header, itertools.repeat(1))
    assert client.reply().code == 220
    client.ehlo()
    daemon.wait_log(r" connect from unknown\[192\.0\.2\.7\]$")


def test_commands_behind_the_header(make_proxied, connect):
    """Whoever speaks before the greeting is noticed, and nothing is lost if that is allowed."""
    client = through_proxy(connect, make_proxied(), version1() + b"NOOP\r\n")
    assert client.greeting.code == 554
    daemon = make_proxied(smtpd_forbid_unauth_pipelining="no")
    client = through_proxy(connect, daemon, version2() + b"NOOP\r\n")
    assert (client.greeting.code, client.reply().code) == (220, 250)


def test_untrusted_peer(make_proxied, connect):
    daemon = make_proxied()
    check_refused(connect(daemon, "127.0.0.3", greeting=False))
    daemon.wait_log(r"warning: haproxy read: 127\.0\.0\.3 is not in "
                    r"gatepost_upstream_proxy_networks")
    daemon.wait_log(r" connect from unknown\[unknown\]$")
    daemon.wait_log(r"disconnect from unknown\[unknown\] commands=0/0")


@pytest.mark.parametrize("header", [
    b"EHLO client.example\r\n", b"PROXY UNKNOWN\r\n", b"PROXY TCP4 192.0.2.7 x 1 2\r\n",
    version2(command=0x22), SIGNATURE + b"\x21\x31\x00\x00"],
    ids=["smtp", "unknown", "bad", "command", "unix"])
def test_bad_header(make_proxied, backend, connect, header):
    daemon = make_proxied()
    check_refused(through_proxy(connect, daemon, header, greeting=False))
    daemon.wait_log(r"warning: haproxy read: .*: ")
    daemon.wait_log(r" connect from unknown\[unknown\]$")
    assert not backend.sessions


def test_end_of_file_instead(make_proxied, connect):
    daemon = make_proxied()
    connect(daemon, greeting=False).close()
    daemon.wait_log(r"warning: haproxy read: EOF")


@pytest.mark.parametrize("start", [b"", version2()[:20]], ids=["silence", "half"])
def test_timeout(make_proxied, connect, start):
    daemon = make_proxied(smtpd_upstream_proxy_timeout="1s")
    begin = time.monotonic()
    check_refused(through_proxy(connect, daemon, start, greeting=False))
    assert 0.9 < time.monotonic() - begin < 10
    daemon.wait_log(r"warning: haproxy read: timeout error")


@pytest.mark.parametrize("header", [SIGNATURE + b"\x20\x00\x00\x00", version2(command=0x20)])
def test_local(make_proxied, backend, connect, header):
    """The proxy speaks for itself."""
    client = through_proxy(connect, make_proxied(), header)
    client.command("MAIL FROM:<>")
    assert backend.wait_sessions(1)[0].proxy.client[0] == "127.0.0.2"


def test_ipv6_proxy_with_ipv4_clients(make_proxied, backend, connect):
    daemon = make_proxied()
    client = through_proxy(connect, daemon, version2(), source="::1", address=daemon.address6)
    client.command("MAIL FROM:<>")
    session = backend.wait_sessions(1)[0]
    assert (session.proxy.client, session.proxy.server) == (CLIENT, SERVER)


def test_wrappermode(make_proxied, connect):
    """Header and ClientHello may come in one packet."""
    daemon = make_proxied(smtpd_tls_wrappermode="yes")
    client = through_proxy(connect, daemon, version1(), greeting=False)
    client.handshake()
    assert client.reply().code == 220
    client.ehlo()
    daemon.wait_log(r"TLS connection established from unknown\[192\.0\.2\.7\]: ")
    client = through_proxy(connect, daemon, b"PROXY UNKNOWN\r\n", greeting=False)
    with pytest.raises(Closed):
        client.reply()


def test_policies_are_for_the_client(make_proxied, connect):
    daemon = make_proxied(
        smtpd_tls_policy_maps="inline:{ { 192.0.2.0/24 encrypt }, { 127.0.0.0/8 none }, "
        "{ 203.0.113.0/24 reject } }")
    client = through_proxy(connect, daemon, version2())
    assert "STARTTLS" in client.ehlo()
    client.expect(530, "MAIL FROM:<>")
    client.starttls()
    client.ehlo()
    assert through_proxy(connect, daemon, version2(("203.0.113.1", 1))).greeting.code == 421


def test_limits_are_for_the_client(make_proxied, connect):
    daemon = make_proxied(smtpd_client_connection_count_limit="1")
    clients = [through_proxy(connect, daemon, version2((address, 1)))
               for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]
    assert [client.greeting.code for client in clients] == [220, 220, 421]


@pytest.mark.parametrize("length, same, other", [
    (None, "2001:db8:1:2:3:4fff:ffff:ffff", "2001:db8:1:2:3:5000::"),
    ("64", "2001:db8:1:2:ffff::", "2001:db8:1:3::"),
    ("128", "2001:db8:1:2:3:4000:0:1", "2001:db8:1:2:3:4000::"),
    ("0", "fe80::1", None)])
def test_clients_of_one_ipv6_network_are_one(make_proxied, connect, length, same, other):
    """smtpd_client_ipv6_prefix_length, by default 84; IPv4 clients are something else."""
    parameters = {"smtpd_client_ipv6_prefix_length": length} if length else {}
    daemon = make_proxied(smtpd_client_connection_count_limit="1", **parameters)
    first = "2001:db8:1:2:3:4000:0:1"
    rows = [(first, 220), (same, 421), *([(other, 220), (other, 421)] if other else []),
            ("192.0.2.1", 220), ("::ffff:192.0.2.1", 421)]
    clients = []
    for address, code in rows:
        server = SERVER6 if ":" in address else SERVER
        clients.append(through_proxy(connect, daemon, version2((address, 1), server)))
        assert clients[-1].greeting.code == code, address
    daemon.wait_log(r"warning: Connection concurrency limit exceeded: 2 from "
                    rf"unknown\[{same}\] for service ")
    clients[0].quit()
    wait_until(lambda: through_proxy(connect, daemon, version2((same, 1), SERVER6)).greeting.code
               == 220, "the place of the one that left")


def sessions_of(daemon):
    """How many count for gatepost_session_limit."""
    result = run_command("-c", daemon.directory, "status", "--json")
    return json.loads(result.stdout)["load"]["sessions"]


def test_connections_without_a_header_count(make_proxied, connect):
    """For gatepost_session_limit, from the first moment to the last."""
    daemon = make_proxied(gatepost_session_limit="2", smtpd_upstream_proxy_timeout="300s")
    waiting = [connect(daemon, greeting=False) for _ in range(2)]
    waiting[0].send(version2()[:20])
    wait_until(lambda: sessions_of(daemon) == 2, "both to be counted")
    late = connect(daemon, greeting=False)
    assert late.reply().text == f"421 4.3.2 {HOSTNAME} All server ports are busy"
    assert late.rest() == b""
    daemon.wait_log(r"warning: gatepost_session_limit reached: refusing unknown\[127\.0\.0\.2\]")
    waiting[0].send(version2()[20:])
    assert waiting[0].reply().code == 220
    assert sessions_of(daemon) == 2
    waiting[1].close()
    wait_until(lambda: sessions_of(daemon) == 1, "a place")
    assert through_proxy(connect, daemon, version2()).greeting.code == 220


@pytest.mark.slow
def test_connections_that_are_refused_count(make_proxied, connect):
    """As long as they are there, which is not for long."""
    daemon = make_proxied(smtpd_upstream_proxy_timeout="1s")
    refused = [connect(daemon, "127.0.0.3", greeting=False), connect(daemon, greeting=False)]
    for client in refused:
        check_words(client)
    assert sessions_of(daemon) == 2
    wait_until(lambda: sessions_of(daemon) == 0, "the end of both")


def test_postfix_sees_the_client(make_proxied, connect, postfix, recipient):
    client = through_proxy(connect, make_proxied(postfix.proxy_endpoint), version2())
    client.starttls()
    client.ehlo()
    address = recipient()
    client.deliver(address, b"Subject: x\r\n\r\nbody\r\n")
    client.quit()
    message = postfix.wait_mail(address)
    assert b"[192.0.2.7]" in message
    _, ours, _ = split_delivered(message)
    assert ours.address == "192.0.2.7" and ours.protection.startswith("(using TLSv1.3 ")


@pytest.mark.parametrize("wrong, message", [
    ({"gatepost_upstream_proxy_networks": ""}, "specify the proxy's addresses"),
    ({"gatepost_upstream_proxy_networks": "lb.example"}, "gatepost_upstream_proxy_networks"),
    ({"smtpd_upstream_proxy_protocol": "proxy"}, "specify haproxy or nothing")])
def test_configuration(make_proxied, wrong, message):
    daemon = make_proxied(start=False, **wrong)
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode == 1 and message in result.stdout + result.stderr


def test_other_listeners_know_no_header(make_gatepost, backend):
    """The protocol is a listener's own."""
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(gatepost_listen=f"127.0.0.1:{daemon.port} {{ [::1]:{daemon.port6}, "
                        "smtpd_upstream_proxy_protocol=haproxy, "
                        "gatepost_upstream_proxy_networks=[::1] }")
    daemon.start()
    with Client(daemon.address) as plain, Client(daemon.address6, greeting=False) as proxied:
        assert plain.greeting.code == 220
        proxied.send(version2())
        assert proxied.reply().code == 220
