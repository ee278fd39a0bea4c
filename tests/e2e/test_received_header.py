"""gatepost's own Received field (gatepost_received_header): what it says is so, others read it as it
is meant, and the log knows its id."""

import re
import time

import pytest

from harness import spamassassin
from harness.backend import CAPABILITIES
from harness.client import tls_context
from harness.daemon import HOSTNAME
from harness.headers import split_fields, split_ours, unfold
from harness.wait import wait_until

TEXT = b"Subject: x\r\n\r\nbody\r\n"
FIELD = re.compile(
    r"Received: from (?P<helo>\S+) \(unknown \[(?P<address>\S+)\]\) "
    r"(?P<tls>\(using .*\) \(.*\) )?by (?P<by>\S+) \(gatepost\) with (?P<protocol>\w+) "
    r"id (?P<id>[0-9A-Z]{16})( for <(?P<recipient>[^>]*)>)?; "
    r"(?P<date>\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}( \(\w+\))?)")


def read_field(text):
    """What our field says."""
    match = FIELD.fullmatch(unfold(text))
    assert match, text
    return match.groupdict()


def captured(content):
    """(what our field says, the rest) of what the scripted backend got."""
    end = re.search(rb"\r\n(?![ \t])", content).end()
    return read_field(content[:end].decode("ascii")), content[end:]


def delivered(postfix, address):
    """(Postfix's Received, what ours says, all fields below) of what the real Postfix delivered."""
    fields, _ = split_fields(postfix.wait_mail(address))
    at = [name.split(":")[0] for name in fields].index("Received")
    return unfold(fields[at]), read_field(fields[at + 1]), fields[at + 2:]


@pytest.fixture
def front(make_gatepost, postfix):
    """A daemon that writes the field, in front of the real Postfix."""
    return make_gatepost(postfix.proxy_endpoint, gatepost_received_header="yes")


@pytest.fixture
def scripted(make_gatepost, backend):
    """The same in front of the scripted backend."""
    return make_gatepost(backend.endpoint, gatepost_received_header="yes")


def test_what_it_says(front, postfix, connect, recipient):
    client = connect(front)
    client.ehlo()
    client.starttls()
    client.ehlo("mx.client.example")
    address = recipient()
    client.deliver(address, TEXT)
    postfixes, ours, below = delivered(postfix, address)
    assert (ours["helo"], ours["address"], ours["by"], ours["protocol"], ours["recipient"]) == \
        ("mx.client.example", "127.0.0.2", HOSTNAME, "ESMTPS", address)
    assert re.match(r"\(using TLSv1.3 with cipher TLS_\w+ \(\d+/\d+ bits\) key-exchange \w+ "
                    r"server-signature ECDSA \(prime256v1\) server-digest SHA256\) "
                    r"\(No client certificate requested\)", ours["tls"])
    assert [name.split(":")[0] for name in below] == ["Received-TLS", "Subject"]
    assert "from mx.client.example (unknown [127.0.0.2]) by mx.gatepost.test" in postfixes


def test_the_log_leads_from_one_id_to_the_other(front, postfix, connect, recipient):
    client = connect(front)
    client.ehlo()
    ids = []
    for address in (recipient(), recipient()):
        client.deliver(address, TEXT)
        postfixes, ours, _ = delivered(postfix, address)
        queued = re.search(r"with ESMTP id (\w+)", postfixes)[1]
        ids.append(ours["id"])
        front.wait_log(rf"{ours['id']}: client=unknown\[127.0.0.2\], "
                       rf"backend={re.escape(postfix.proxy_endpoint)}\n")
        front.wait_log(rf"{ours['id']}: backend {re.escape(postfix.proxy_endpoint)} says "
                       rf"\"250 2.0.0 Ok: queued as {queued}\", for unknown\[127.0.0.2\]\n")
    assert ids[0] < ids[1]


def test_ids_of_many_sessions(scripted, backend, connect):
    """Two workers, each with several messages at the same time."""
    clients = [connect(scripted) for _ in range(8)]
    for client in clients:
        client.ehlo()
    for _ in range(5):
        for client in clients:
            client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<r@gatepost.test>\r\nDATA\r\n")
        for client in clients:
            assert [client.reply().code for _ in range(3)] == [250, 250, 354]
            client.send(TEXT + b".\r\n")
        for client in clients:
            assert client.reply().code == 250
    ids = [captured(message.content)[0]["id"] for message in backend.messages]
    assert len(ids) == 40 and len(set(ids)) == 40


@pytest.mark.parametrize("names, named", [
    (["one@gatepost.test"], "one@gatepost.test"),
    (["one@gatepost.test", "two@gatepost.test"], None),
    (["reject@gatepost.test", "one@gatepost.test"], "one@gatepost.test"),
    (["one@gatepost.test", "reject@gatepost.test"], "one@gatepost.test"),
    (['"a) by evil ("@gatepost.test'], None),
    (["x" * 260 + "@gatepost.test"], None)])
@pytest.mark.parametrize("bdat", [False, True])
def test_the_only_recipient_is_named(scripted, backend, connect, names, named, bdat):
    """Of all that the backend accepts, also when content follows without a pause."""
    client = connect(scripted)
    client.ehlo()
    envelope = b"MAIL FROM:<a@b>\r\n" + b"".join(b"RCPT TO:<%s>\r\n" % n.encode() for n in names)
    for _ in range(2):
        if bdat:
            client.send(envelope + b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
        else:
            client.send(envelope + b"DATA\r\n")
        codes = [client.reply().code for _ in range(len(names) + 2)]
        assert codes[0] == 250 and codes[-1] == (250 if bdat else 354)
        if not bdat:
            client.send(TEXT + b".\r\n")
            assert client.reply().code == 250
        ours, rest = captured(backend.messages[-1].content)
        assert ours["recipient"] == named
        assert split_ours(rest)[1] == TEXT
    assert len(backend.messages) == 2


def test_another_transaction_is_another_message(scripted, backend, connect):
    """What was abandoned or refused leaves nothing behind."""
    client = connect(scripted)
    client.ehlo()
    client.envelope("old@gatepost.test")
    client.expect(250, "RSET")
    client.deliver("new@gatepost.test", TEXT)
    client.envelope("old@gatepost.test")
    client.ehlo("again.example")
    client.expect(250, "MAIL FROM:<ä@b> SMTPUTF8".encode())
    client.expect(250, "RCPT TO:<ä@gatepost.test>".encode())
    client.expect(354, "DATA")
    client.send("Subject: ä\r\n\r\n.\r\n".encode())
    assert client.reply().code == 250
    client.deliver("last@gatepost.test", TEXT)
    told = [captured(message.content)[0] for message in backend.messages]
    assert [one["recipient"] for one in told] == ["new@gatepost.test", None, "last@gatepost.test"]
    assert [one["protocol"] for one in told] == ["ESMTP", "UTF8SMTP", "ESMTP"]
    assert [one["helo"] for one in told] == ["client.example", "again.example", "again.example"]


@pytest.mark.parametrize("tls, login, protocol", [
    (False, False, "ESMTP"), (True, False, "ESMTPS"), (False, True, "ESMTPA"),
    (True, True, "ESMTPSA")])
def test_protocols(make_gatepost, make_backend, connect, tls, login, protocol):
    backend = make_backend(capabilities=CAPABILITIES + ("AUTH LOGIN",))
    client = connect(make_gatepost(backend.endpoint, gatepost_received_header="yes"))
    client.ehlo()
    if tls:
        client.starttls(tls_context())
        client.ehlo()
    if login:
        for line, code in (("AUTH LOGIN", 334), ("bWU=", 334), ("c2VjcmV0", 235)):
            client.expect(code, line)
    client.deliver("r@gatepost.test", TEXT)
    assert captured(backend.messages[0].content)[0]["protocol"] == protocol


def test_helo_is_smtp(scripted, backend, connect):
    client = connect(scripted)
    client.expect(250, "HELO a)(by,evil")
    client.deliver("r@gatepost.test", TEXT)
    ours, _ = captured(backend.messages[0].content)
    assert (ours["protocol"], ours["helo"], ours["tls"]) == ("SMTP", "a??by?evil", None)


def test_it_may_stand_alone(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, gatepost_received_header="yes",
                           smtpd_tls_received_header="no")
    client = connect(daemon)
    client.ehlo()
    client.starttls()
    client.ehlo()
    client.deliver("r@gatepost.test", b" folded\r\n" + TEXT)
    ours, rest = captured(backend.messages[0].content)
    assert ours["tls"].startswith("(using TLSv1.3 ") and rest == b"\r\n folded\r\n" + TEXT


def test_clients_fields_stay(scripted, backend, connect):
    """They are legal, whatever they claim: each reader knows which ones he may believe."""
    client = connect(scripted)
    client.ehlo()
    theirs = b"Received: from a (a [192.0.2.9])\r\n\tby " + HOSTNAME.encode() + \
        b" (gatepost) with ESMTPS id 0123456789ABCDEF;\r\n\tSun, 22 Nov 2026 01:30:54 +0000\r\n"
    client.deliver("r@gatepost.test", theirs + TEXT)
    _, rest = captured(backend.messages[0].content)
    assert split_ours(rest)[1] == theirs + TEXT


def test_it_is_a_hop(front, make_gatepost, postfix, connect, recipient):
    """Postfix's hopcount_limit (50) is reached one hop earlier."""
    plain = make_gatepost(postfix.proxy_endpoint)
    hop = b"Received: from a by b; Sun, 22 Nov 2026 01:30:54 +0000\r\n"
    codes = []
    for daemon, hops in ((plain, 48), (plain, 49), (front, 47), (front, 48)):
        client = connect(daemon)
        client.ehlo()
        client.envelope(recipient())
        client.expect(354, "DATA")
        client.send(hop * hops + TEXT + b".\r\n")
        codes.append(client.reply().code)
    assert codes == [250, 554, 250, 554]


def test_size_counts_it(make_gatepost, make_backend, connect):
    """What is announced can be sent, and what MAIL tells the backend is enough (RFC 1870)."""
    backend = make_backend(capabilities=("PIPELINING", "SIZE 100000"))
    client = connect(make_gatepost(backend.endpoint, gatepost_received_header="yes"))
    (size,) = (int(line[5:]) for line in client.ehlo() if line.startswith("SIZE "))
    content = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
    content += b"y" * (size - len(content) - 2) + b"\r\n"
    client.expect(250, f"MAIL FROM:<a@b> SIZE={len(content)}")
    client.expect(250, f"RCPT TO:<{'r' * 200}@gatepost.test>")
    client.expect(354, "DATA")
    client.send(content + b".\r\n")
    assert client.reply().code == 250
    message = backend.messages[0]
    told = int(re.search(rb"SIZE=(\d+)", message.mail)[1])
    assert len(content) < len(message.content) <= told <= 100000


def test_the_time_zone_is_the_hosts(make_gatepost, backend, connect):
    """The processes that write the date see no files; the zone's name is a file's."""
    daemon = make_gatepost(backend.endpoint, start=False, gatepost_received_header="yes")
    daemon.environment["TZ"] = ":America/St_Johns"
    daemon.start()
    client = connect(daemon)
    client.ehlo()
    client.deliver("r@gatepost.test", TEXT)
    ours, rest = captured(backend.messages[0].content)
    assert re.search(r" -0[23]30 \(N[SD]T\)$", ours["date"])
    assert split_ours(rest)[0].date == ours["date"]
    told = time.mktime(time.strptime(ours["date"][5:25], "%d %b %Y %H:%M:%S")) - time.timezone
    zone = ours["date"][26:31]
    offset = int(zone[0] + "1") * (int(zone[1:3]) * 3600 + int(zone[3:]) * 60)
    assert abs(told - offset - time.time()) < 120


def test_lost_backend_leaves_an_id(scripted, backend, connect):
    """Also a message that comes to nothing can be found."""
    backend.arm("END", "drop")
    client = connect(scripted)
    client.ehlo()
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    client.send(TEXT + b".\r\n")
    assert client.reply().code == 421
    found = scripted.wait_log(r" ([0-9A-Z]{16}): client=unknown\[127.0.0.2\]")[1]
    assert f"{found}: backend" not in scripted.log()
    wait_until(lambda: backend.sessions[0].closed, "the backend's end")


@pytest.mark.slow  # a big Perl program
@pytest.mark.skipif(not spamassassin.is_installed(), reason="SpamAssassin is not installed")
@pytest.mark.parametrize("trusted", ["192.0.2.0/24", "198.51.100.0/24"])
def test_spamassassin_sees_the_hop(make_gatepost, postfix, connect, recipient, trusted):
    """Two relays with the client's address: Postfix's line and ours, in this order. Both are
    trusted if the client is, none otherwise: nothing of what the client wrote gets more trust."""
    daemon = make_gatepost(postfix.proxy_endpoint, gatepost_received_header="yes",
                           smtpd_upstream_proxy_protocol="haproxy",
                           gatepost_upstream_proxy_networks="127.0.0.2")
    client = connect(daemon, greeting=False)
    client.send(b"PROXY TCP4 198.51.100.5 192.0.2.25 40000 25\r\n")
    assert client.reply().code == 220
    client.ehlo()
    client.starttls()
    client.ehlo("mx.client.example")
    address = recipient()
    theirs = b"Received: from fake (fake [203.0.113.7])\r\n\tby mx.client.example (Postfix) with " \
             b"ESMTP id 1;\r\n\tSun, 22 Nov 2026 01:30:54 +0000\r\n"
    client.deliver(address, theirs + TEXT)
    _, ours, _ = delivered(postfix, address)
    message = postfix.wait_mail(address)
    found = spamassassin.relays(message, trusted)
    clients = found["Trusted" if trusted == "198.51.100.0/24" else "Untrusted"]
    assert [(relay["ip"], relay["by"], relay["helo"], relay["rdns"], relay["auth"])
            for relay in clients[:2]] == \
        [("198.51.100.5", "mx.gatepost.test", "mx.client.example", "", ""),
         ("198.51.100.5", HOSTNAME, "mx.client.example", "", "")]
    assert clients[1]["id"] == ours["id"]
    assert found["Untrusted"][-1]["ip"] == "203.0.113.7"
