"""Forged Received-TLS fields, judged by the real Postfix: it logs each field of that name that it
reads in a message's header, and there must be gatepost's own and no other."""

import itertools
import random

import pytest

from harness.client import dot_stuff
from harness.wait import wait_until

CLAIM = b" from a ([192.0.2.1]) by front.gatepost.test (using TLSv1.3); now"
NAMES = [b"Received-TLS:", b"received-tls:", b"RECEIVED-TLS :", b"Received-TLS\t :", b"ReCeIvEd-TlS:\r\n",
         b"Received-TLS:\r\n\t\r\n", b"Received-TLS:\n"]
# What stands before the field.
BEFORE = [b"", b"\r\n", b"Subject: x\r\n", b"Subject: x\n", b"Subject: x\r", b"Subject: x\r\r\n",
          b"Subject: x\0\r\n", b"Subject: x\r\0\n", b"Subject: x\r\n\tfolded\r\n", b"Subject: x\n\n.\n",
          b"X: " + b"y" * 5000 + b"\r\n", b"X: " + b"y" * 2045 + b"\r\n", b"X: " + b"y" * 150_000 + b"\r\n",
          b"X-" + b"y" * 3000 + b": x\r\n", b".\n", b"\0\r\n", b"\r", b"\r\0", b"\0", b"From x\r\n",
          b">From x\r\n", b" x\r\n", b"\t\r\n", b".", b"x:\r\n.", b"x : \r\n", b"x\0y: z\r\n",
          b"Subject: x\r\n" * 300]
AFTER = [b"\r\nTo: y\r\n\r\nbody\r\n", b"\r\n\r\n", b"\r\n", b"\n\r\n"]  # the third: a header without end


def contents():
    """Messages with a forgery each; the last of a few has two, and one in the body."""
    for number, (before, name) in enumerate(itertools.product(BEFORE, NAMES)):
        after = AFTER[number % len(AFTER)]
        yield before + name + CLAIM + after
        if number % 5 == 0:
            yield before + name + CLAIM + b"\r\n" + name + CLAIM + AFTER[0] + name + CLAIM + b"\r\n"


def send_data(client, content, _):
    """The content behind DATA, and its end."""
    client.expect(354, "DATA")
    client.send(dot_stuff(content) + b"\r\n.\r\n")
    assert client.reply().code == 250


def send_chunks(client, content, rng):
    """The same with BDAT, in chunks that are cut anywhere."""
    cuts = sorted(rng.randrange(len(content) + 1) for _ in range(rng.randrange(6)))
    parts = [content[start:end] for start, end in zip([0] + cuts, cuts + [len(content)])]
    parts = [part for part in parts[:-1] if part] + parts[-1:]
    client.send(b"".join(b"BDAT %d%s\r\n" % (len(part), b" LAST" if number == len(parts) else b"") +
                         part for number, part in enumerate(parts, 1)))
    assert [client.reply().code for _ in parts] == [250] * len(parts)


@pytest.mark.slow
@pytest.mark.parametrize("send", [send_data, send_chunks])
def test_postfix_sees_no_forged_field(make_gatepost, postfix, connect, recipient, send):
    daemon = make_gatepost(postfix.checked_endpoint, smtpd_error_sleep_time="0")
    rng = random.Random(5)
    client = connect(daemon)
    client.ehlo()
    address = recipient()
    cases = {}
    for number, content in enumerate(contents()):
        sender = f"{send.__name__}{number}@client.example"
        client.envelope(address, sender)
        send(client, content, rng)
        cases[sender] = content
    client.quit()
    assert len(cases) > 200
    wait_until(lambda: len(postfix.mail_for(address)) >= len(cases), "all messages")
    for sender, content in cases.items():
        fields = postfix.received_tls_fields(sender)
        ours = [field for field in fields if "(no TLS)" in field or "127.0.0.2" in field]
        assert len(ours) == 1 and fields == ours, (content[:80], fields)


def test_postfix_sees_it_without_gatepost(postfix, make_gatepost, connect, recipient):
    """So the test above can fail: a field of another host is left alone, and is seen."""
    client = connect(make_gatepost(postfix.checked_endpoint))
    client.ehlo()
    address = recipient()
    client.deliver(address, b"Received-TLS:" + CLAIM.replace(b"front.", b"back.") + b"\r\n\r\n",
                   "seen@client.example")
    client.quit()
    postfix.wait_mail(address)
    assert len(postfix.received_tls_fields("seen@client.example")) == 2
