"""The Received-TLS header tells the truth: it comes first, and nobody else writes it."""

import random
import re

import pytest

from harness.client import Client, dot_stuff
from harness.daemon import HOSTNAME
from harness.headers import split_delivered, split_ours

BODY = b"\r\nReceived-TLS: from a by " + HOSTNAME.encode() + b"; in the body\r\n"
NAME = HOSTNAME.encode()

FORGED = [
    b"Received-TLS: from a ([192.0.2.1]) by %s (using TLSv1.3); now\r\n",
    b"received-tls: from a ([192.0.2.1]) by %s (no TLS); now\r\n",
    b"RECEIVED-TLS:from a by %s (x); now\r\n",
    b"ReCeIvEd-tLs :from a by %s (x); now\r\n",
    b"Received-TLS \t : from a by %s (x); now\r\n",
    b"Received-TLS: from a\r\n\tby %s (x); now\r\n",
    b"Received-TLS: from a\r\n by\r\n\t %s (x); now\r\n",
    b"Received-TLS:\r\n from a by %s\r\n (x); now\r\n",
    b"Received-TLS: from a by\t%s (x)\r\n",
    b"Received-TLS: by %s\r\n",
    b"Received-TLS: from a BY FRONT.GATEPOST.TEST (x); now\r\n",
    b"Received-TLS: from by by by %s (x); now\r\n",
    b"Received-TLS: from a (" + b"x" * 900 + b") by %s (x); now\r\n",
    b"Received-TLS: from a\r\n" + b"\tcomment\r\n" * 100 + b"\tby %s; now\r\n",
]
KEPT = [
    b"Received-TLS: from a ([192.0.2.1]) by other.example (using TLSv1.3); now\r\n",
    b"Received-TLS: from a by sub.%s (x); now\r\n",
    b"Received-TLS: from a by %s.example (x); now\r\n",
    b"Received-TLSX: from a by %s (x); now\r\n",
    b"Received-TL: from a by %s (x); now\r\n",
    b"X-Received-TLS: from a by %s (x); now\r\n",
    b"Received: from a by %s (x); now\r\n",
    b"Subject: Received-TLS: from a by %s\r\n",
    b"X-Folded: x\r\n Received-TLS: from a by %s\r\n",
]


def named(field):
    """The field with gatepost's name in it."""
    return field.replace(b"%s", NAME)


@pytest.fixture
def session(make_gatepost, backend, connect):
    """A client in front of the scripted backend; its method content(bytes, bdat) tells what
    arrives behind our header."""
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()

    def content(data, bdat=False, pieces=None):
        send(client, data, bdat, pieces or iter(lambda: 1 << 20, 0))
        ours, rest = split_ours(backend.messages[-1].content)
        assert ours.protection == "(no TLS)" and ours.hostname == HOSTNAME
        return rest

    client.content = content
    return client


def send(client, data, bdat, pieces):
    """One transaction, its content in pieces."""
    client.envelope("r@gatepost.test")
    if bdat:
        client.send(b"BDAT %d LAST\r\n" % len(data))
        client.send_pieces(data, pieces)
    else:
        client.expect(354, "DATA")
        client.send_pieces(dot_stuff(data) + b".\r\n", pieces)
    reply = client.reply()
    assert reply.code == 250, reply.raw


@pytest.mark.parametrize("bdat", [False, True])
@pytest.mark.parametrize("field", FORGED, ids=lambda field: repr(field[:40]))
def test_forgery_is_removed(session, field, bdat):
    before, after = b"Subject: x\r\n", b"To: y\r\n"
    assert session.content(before + named(field) + after + BODY, bdat) == before + after + BODY
    assert session.content(named(field) + after + BODY, bdat) == after + BODY
    assert session.content(before + named(field) * 3 + BODY, bdat) == before + BODY


@pytest.mark.parametrize("bdat", [False, True])
@pytest.mark.parametrize("field", KEPT, ids=lambda field: repr(field[:40]))
def test_others_are_kept(session, field, bdat):
    content = b"Subject: x\r\n" + named(field) + b"To: y\r\n" + BODY
    assert session.content(content, bdat) == content


def test_forgery_as_last_thing_in_a_message(session):
    field = named(FORGED[0])
    assert session.content(b"Subject: x\r\n" + field) == b"Subject: x\r\n"
    assert session.content(b"Subject: x\r\n" + field, True) == b"Subject: x\r\n"
    assert session.content(b"Subject: x\r\n" + field[:-2], True) == b"Subject: x\r\n"


@pytest.mark.parametrize("bdat", [False, True])
def test_forgery_is_removed_however_it_is_split(session, bdat):
    rng = random.Random(7)
    expected = b"Subject: x\r\n" + named(KEPT[0]) + b"To: y\r\n" + BODY
    for field in FORGED:
        content = b"Subject: x\r\n" + named(field) + named(KEPT[0]) + named(field) + b"To: y\r\n" + BODY
        largest = rng.choice([1, 2, 9, 60])
        pieces = iter(lambda: rng.randint(1, largest), 0)
        assert session.content(content, bdat, pieces) == expected


def test_forgery_is_removed_from_between_chunks(session, backend):
    content = b"Subject: x\r\n" + named(FORGED[6]) + BODY
    for split in range(1, len(content), 3):
        session.envelope("r@gatepost.test")
        session.send(b"BDAT %d\r\n" % split + content[:split])
        session.send(b"BDAT %d LAST\r\n" % (len(content) - split) + content[split:])
        assert [session.reply().code for _ in range(2)] == [250, 250]
        assert split_ours(backend.messages[-1].content)[1] == b"Subject: x\r\n" + BODY


def test_bare_lf_does_not_hide_a_forgery(session):
    forged = named(FORGED[5]).replace(b"\r\n", b"\n")
    content = b"Subject: x\n" + forged + b"To: y\n\nbody\n"
    assert session.content(content[:-1] + b"\r\n") == b"Subject: x\r\nTo: y\r\n\r\nbody\r\n"


def test_first_line_that_begins_with_a_blank(gatepost, connect, postfix, recipient):
    """It would have been folded into our header."""
    client = connect(gatepost)
    client.ehlo()
    for first in (b" by evil.example", b"\tusing TLSv9"):
        address = recipient()
        client.deliver(address, first + b"\r\nSubject: x\r\n\r\nbody\r\n")
        _, ours, rest = split_delivered(postfix.wait_mail(address))
        assert ours.protection == "(no TLS)"
        assert rest == b"\n" + first + b"\nSubject: x\n\nbody\n"


def test_first_line_that_looks_like_a_mailbox(gatepost, connect, postfix, recipient):
    """Postfix looks at the first line only, which is ours now."""
    client = connect(gatepost)
    client.ehlo()
    for first in (b"From someone Mon Jan  1 00:00:00 2001", b">From someone"):
        address = recipient()
        client.deliver(address, first + b"\r\nSubject: x\r\n\r\nbody\r\n")
        _, _, rest = split_delivered(postfix.wait_mail(address))
        assert rest == b"X-Mailbox-Line: " + first + b"\nSubject: x\n\nbody\n"


@pytest.mark.parametrize("name", ["a) by evil (using TLSv1.3", "x(y", "a\\b", "[IPv6:::1]",
                                  "a\tb", "\xe4\xf6", "a;b", "<script>", "x" * 300, "a\"b"])
def test_helo_cannot_break_the_header(make_gatepost, backend, connect, name):
    client = connect(make_gatepost(backend.endpoint))
    if client.command("HELO " + name).code != 250:
        return
    client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    ours, rest = split_ours(backend.messages[0].content)
    assert rest == b"Subject: x\r\n\r\n"
    assert re.fullmatch(r"[A-Za-z0-9.:_?\[\]-]{1,255}", ours.helo)
    assert (ours.hostname, ours.protection) == (HOSTNAME, "(no TLS)")


def test_header_can_be_switched_off(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint, smtpd_tls_received_header="no"))
    client.ehlo()
    client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    assert backend.messages[0].content == b"Subject: x\r\n\r\n"


def test_listener_that_is_reached_from_nowhere_else(make_gatepost, backend):
    """The header names the client's address, not gatepost's own."""
    daemon = make_gatepost(backend.endpoint)
    for source in ("127.0.0.3", "127.1.2.3"):
        with Client(daemon.address, source) as client:
            client.ehlo()
            client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
            assert split_ours(backend.messages[-1].content)[0].address == source
