"""The main job: a message goes through gatepost to a real Postfix, and what it then says about
itself is true."""

import re
import ssl
import time
from email.utils import parsedate_to_datetime

import pytest

from harness.client import tls_context
from harness.daemon import HOSTNAME
from harness.headers import split_delivered

CONTENT = b"Subject: hello\r\nFrom: sender@client.example\r\n\r\nFirst line\r\n.second\r\n"
DELIVERED = CONTENT.replace(b"\r\n", b"\n")
VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1,
            "TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
GROUPS = {"prime256v1": "secp256r1", "secp384r1": "secp384r1", "secp521r1": "secp521r1",
          None: "x25519"}


def negotiated(client):
    """What the client's own TLS library says, in Postfix's words."""
    name, _, bits = client.socket.cipher()
    return f"{client.socket.version()} with cipher {name} ({bits}/{bits} bits)"


def check_received(received, address="127.0.0.2", helo="client.example", protocol="ESMTP"):
    """Postfix's own header: it knows the client's address, not gatepost's."""
    pattern = rf"Received: from {helo} \(unknown \[{address}\]\)\s+by mx\.gatepost\.test " \
              rf"\(Postfix\) with {protocol} id "
    assert re.match(pattern, received), received


def deliver(client, postfix, recipient):
    """Sends CONTENT, and returns (Postfix's header, what our header says)."""
    client.deliver(recipient, CONTENT)
    client.quit()
    received, ours, content = split_delivered(postfix.wait_mail(recipient))
    assert content == DELIVERED
    return received, ours


@pytest.mark.parametrize("certificate", ["ecdsa", "rsa"])
@pytest.mark.parametrize("version", VERSIONS)
def test_starttls(make_gatepost, postfix, connect, certificates, recipient, version, certificate):
    daemon = make_gatepost(postfix.proxy_endpoint, certificate=certificate)
    client = connect(daemon)
    assert client.greeting.text.startswith(f"220 {HOSTNAME} ESMTP")
    assert "STARTTLS" in client.ehlo("before.example")
    client.starttls(tls_context(VERSIONS[version], VERSIONS[version]))
    expected = negotiated(client)
    assert expected.startswith(version + " ")
    if version == "TLSv1.3":
        expected += " key-exchange x25519" \
                    f" server-signature {certificates[certificate].signature} server-digest SHA256"
    assert "STARTTLS" not in client.ehlo()
    received, ours = deliver(client, postfix, recipient())
    check_received(received)
    assert (ours.helo, ours.address, ours.hostname) == ("client.example", "127.0.0.2", HOSTNAME)
    assert ours.protection == f"(using {expected}) (No client certificate requested)"
    daemon.wait_log("Anonymous TLS connection established from unknown"
                    r"\[127\.0\.0\.2\]: " + re.escape(expected) + "$")


@pytest.mark.parametrize("group", GROUPS)
def test_key_exchange(gatepost, connect, postfix, recipient, group):
    client = connect(gatepost)
    client.ehlo()
    client.starttls(tls_context(ssl.TLSVersion.TLSv1_3, group=group))
    client.ehlo()
    _, ours = deliver(client, postfix, recipient())
    assert f" key-exchange {GROUPS[group]} " in ours.protection


def test_cleartext(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    client.ehlo()
    received, ours = deliver(client, postfix, recipient())
    check_received(received)
    assert ours.protection == "(no TLS)"
    assert (ours.helo, ours.address, ours.hostname) == ("client.example", "127.0.0.2", HOSTNAME)


def test_header_is_folded_and_dated_now(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    client.ehlo()
    client.starttls()
    client.ehlo()
    address = recipient()
    client.deliver(address, CONTENT)
    text = postfix.wait_mail(address).decode("latin-1")
    ours = text[text.index("Received-TLS:"):text.index("Subject:")].splitlines()
    assert len(ours) > 2 and all(len(line) <= 100 for line in ours)
    assert all(line.startswith(("\t", " ")) for line in ours[1:])
    age = time.time() - parsedate_to_datetime(ours[-1].rpartition(";")[2].strip()).timestamp()
    assert -1 < age < 60


@pytest.mark.parametrize("tls", [False, True])
def test_ipv6(gatepost, connect, postfix, recipient, tls):
    client = connect(gatepost, None, gatepost.address6)
    client.ehlo()
    if tls:
        client.starttls()
        client.ehlo()
    received, ours = deliver(client, postfix, recipient())
    check_received(received, "IPv6:::1")
    assert ours.address == "IPv6:::1"
    gatepost.wait_log(r"connect from unknown\[::1\]$")


HANDOFFS = [("proxy2", "proxy_endpoint"), ("proxy1", "proxy_endpoint"),
            ("xclient", "xclient_endpoint"), ("proxy2", "unix_endpoint"),
            ("proxy1", "unix_endpoint")]


@pytest.mark.parametrize("protocol, endpoint", HANDOFFS)
@pytest.mark.parametrize("source, shown", [("127.0.0.2", "127.0.0.2"), (None, "IPv6:::1")])
def test_handoff(make_gatepost, connect, postfix, recipient, protocol, endpoint, source, shown):
    daemon = make_gatepost(getattr(postfix, endpoint), gatepost_backend_protocol=protocol)
    client = connect(daemon, source, daemon.address if source else daemon.address6)
    client.ehlo()
    client.starttls()
    client.ehlo("after.example")
    received, ours = deliver(client, postfix, recipient())
    check_received(received, shown, "after.example")
    assert (ours.helo, ours.address) == ("after.example", shown)


@pytest.mark.parametrize("protocol, endpoint", HANDOFFS)
def test_stranger_cannot_relay(make_gatepost, connect, postfix, protocol, endpoint):
    daemon = make_gatepost(getattr(postfix, endpoint), gatepost_backend_protocol=protocol)
    client = connect(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@client.example>")
    reply = client.expect(554, "RCPT TO:<b@elsewhere.example>")
    assert "Relay access denied" in reply.text


def test_several_messages_in_a_session(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    client.ehlo()
    client.starttls()
    client.ehlo()
    addresses = [recipient() for _ in range(5)]
    for number, address in enumerate(addresses):
        client.deliver(address, CONTENT + b"%d\r\n" % number)
    client.quit()
    for number, address in enumerate(addresses):
        _, ours, content = split_delivered(postfix.wait_mail(address))
        assert content == DELIVERED + b"%d\n" % number
        assert ours.protection.startswith("(using TLSv1.3 ")


def test_several_recipients_of_whom_one_is_refused(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    client.ehlo()
    addresses = [recipient(), recipient()]
    client.expect(250, "MAIL FROM:<>")
    for address in addresses:
        client.expect(250, f"RCPT TO:<{address}>")
    client.expect(554, "RCPT TO:<nobody@elsewhere.example>")
    client.expect(354, "DATA")
    client.send(CONTENT.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    assert client.reply().code == 250
    for address in addresses:
        assert split_delivered(postfix.wait_mail(address))[2] == DELIVERED


def test_helo_instead_of_ehlo(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    assert client.command("HELO old.example").text == f"250 {HOSTNAME}"
    received, ours = deliver(client, postfix, recipient())
    check_received(received, helo="old.example", protocol="E?SMTP")
    assert (ours.helo, ours.protection) == ("old.example", "(no TLS)")


def test_helo_is_forgotten_after_starttls(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    client.ehlo("before.example")
    client.starttls()
    received, ours = deliver(client, postfix, recipient())
    assert "before.example" not in received
    assert ours.helo == "unknown" and ours.protection.startswith("(using TLSv1.3 ")


def test_transaction_is_forgotten_after_starttls(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    client.ehlo()
    client.envelope(recipient())
    client.starttls()
    client.ehlo()
    assert client.command("DATA").code == 503
    received, _ = deliver(client, postfix, recipient())
    check_received(received)
