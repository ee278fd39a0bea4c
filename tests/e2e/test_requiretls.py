"""REQUIRETLS (RFC 8689) across the cleartext connection to the backend: announced within TLS only,
and told in the words that Postfix has for it (REQUIRETLS_README: Require-TLS-ESMTP)."""

import pytest

from harness.backend import CAPABILITIES
from harness.backend_dialogue import Say
from harness.headers import split_delivered, split_ours

TEXT = b"Subject: x\r\nTLS-Required: No\r\n\r\nbody\r\n"
FIELD = b"Require-TLS-ESMTP: yes\r\n"
UNSUPPORTED = "555 5.5.4 Unsupported option: REQUIRETLS"


@pytest.fixture
def front(make_gatepost, backend):
    """A daemon whose operator says that its backend honours REQUIRETLS."""
    return make_gatepost(backend.endpoint, gatepost_requiretls="yes")


@pytest.fixture
def client(front, connect):
    """A client of it, within TLS."""
    client = connect(front)
    client.ehlo()
    client.starttls()
    client.ehlo()
    return client


def deliver(client, options="", bdat=False, text=TEXT):
    """One message."""
    client.expect(250, "MAIL FROM:<a@client.example>" + options)
    client.expect(250, "RCPT TO:<r@gatepost.test>")
    if bdat:
        client.send(b"BDAT %d LAST\r\n" % len(text) + text)
    else:
        client.expect(354, "DATA")
        client.send(text + b".\r\n")
    assert client.reply().code == 250


def test_announced_within_tls_only(front, connect):
    client = connect(front)
    assert "REQUIRETLS" not in client.ehlo()
    assert client.command("MAIL FROM:<a@b> REQUIRETLS").text == UNSUPPORTED
    client.starttls()
    assert "REQUIRETLS" in client.ehlo()
    client.expect(250, "MAIL FROM:<a@b> REQUIRETLS")


@pytest.mark.parametrize("bdat", [False, True])
def test_carried_over(client, backend, bdat):
    """For the message it was asked for, not the one before or after; what the sender says in its
    own header passes as it is."""
    for options in ("", " REQUIRETLS", " BODY=8BITMIME requiretls SIZE=100", ""):
        deliver(client, options, bdat)
    contents = [split_ours(message.content)[1] for message in backend.messages]
    assert contents == [TEXT, FIELD + TEXT, FIELD + TEXT, TEXT]
    assert not any(b"REQUIRETLS" in message.mail.upper() for message in backend.messages)
    assert backend.messages[2].mail.startswith(b"MAIL FROM:<a@client.example> BODY=8BITMIME SIZE=")
    assert int(backend.messages[2].mail.rpartition(b"=")[2]) >= \
        100 + len(backend.messages[2].content) - len(TEXT)


@pytest.mark.parametrize("bdat", [False, True])
def test_pipelined(client, backend, bdat):
    """A whole group at once, in which another MAIL is refused: the first one's word holds."""
    group = b"MAIL FROM:<a@client.example> REQUIRETLS\r\nMAIL FROM:<b@c> BODY=x\r\n" \
            b"RCPT TO:<r@gatepost.test>\r\n"
    if bdat:
        client.send(group + b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
        replies = [client.reply().code for _ in range(4)]
        assert replies[0] == replies[2] == replies[3] == 250
    else:
        client.send(group + b"DATA\r\n")
        assert client.reply().code == 250
        assert client.reply().code in (250, 501, 503)
        assert [client.reply().code for _ in range(2)] == [250, 354]
        client.send(TEXT + b".\r\n")
        assert client.reply().code == 250
    accepted = backend.messages[0].mail
    expected = FIELD + TEXT if b"a@client.example" in accepted else TEXT
    assert split_ours(backend.messages[0].content)[1] == expected


def test_refused_mail_leaves_nothing(client, backend):
    backend.arm("MAIL", Say(b"451 4.3.0 later\r\n"))
    client.expect(451, "MAIL FROM:<a@b> REQUIRETLS")
    backend.arm("MAIL", None)
    deliver(client)
    client.expect(250, "MAIL FROM:<a@b> REQUIRETLS")
    client.expect(250, "RSET")
    deliver(client)
    assert [split_ours(message.content)[1] for message in backend.messages] == [TEXT, TEXT]


def test_clients_own_field_stays(client, backend):
    """As with Postfix: it only ever demands more, and comes from the hops before that honour it."""
    deliver(client, text=FIELD + TEXT)
    assert split_ours(backend.messages[0].content)[1] == FIELD + TEXT


def test_not_without_the_operators_word(make_gatepost, make_backend, connect):
    """A backend that offers it cannot know what it promises: it sees no TLS."""
    backend = make_backend(capabilities=CAPABILITIES + ("REQUIRETLS",))
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    client.starttls()
    assert "REQUIRETLS" not in client.ehlo()
    assert client.command("MAIL FROM:<a@b> REQUIRETLS").text == UNSUPPORTED
    assert client.command("MAIL FROM:<a@b> REQUIRETLS=1").code == 555
    client.expect(250, "MAIL FROM:<a@b>")


def test_not_with_an_old_postfix(gatepost, postfix, connect, recipient):
    """By default nothing is announced, and what is sent all the same is refused as Postfix does."""
    client = connect(gatepost)
    client.ehlo()
    client.starttls()
    assert "REQUIRETLS" not in client.ehlo()
    assert client.command("MAIL FROM:<a@b> REQUIRETLS").text == UNSUPPORTED
    address = recipient()
    client.deliver(address, TEXT)
    assert split_delivered(postfix.wait_mail(address))[2] == TEXT.replace(b"\r\n", b"\n")
