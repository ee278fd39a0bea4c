"""BDAT (RFC 3030): chunks are framed by their sizes, whatever becomes of them."""

import pytest

from harness.backend import CAPABILITIES
from harness.backend_dialogue import DROP, Say
from harness.daemon import HOSTNAME
from harness.headers import split_delivered, split_ours
from harness.wait import wait_until

CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
def session(make_gatepost, backend, connect):
    """A client after EHLO, in front of the scripted backend."""
    client = connect(make_gatepost(backend.endpoint, gatepost_backend_timeout="3s"))
    client.ehlo()
    return client


def chunk(content, last=True):
    """A BDAT command with its chunk."""
    return b"BDAT %d%s\r\n" % (len(content), b" LAST" if last else b"") + content


@pytest.mark.parametrize("command", ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 1 LAST x",
                                     "BDAT 99999999999999999999 LAST", "BDAT 0x10", "BDAT +1",
                                     "BDAT 1LAST"])
def test_malformed(session, backend, command):
    """What cannot be framed ends the session (postconf(5) and RFC 3030)."""
    session.envelope("r@gatepost.test")
    assert session.command(command).text == "521 5.5.4 Syntax: BDAT count [LAST]"
    assert session.rest() == b""
    assert not backend.messages


def test_spellings(session, backend):
    session.envelope("r@gatepost.test")
    session.send(b"bdat  3   \r\nabcBdAt 2 lAsT\r\n\r\n")
    assert [session.reply().code for _ in range(2)] == [250, 250]
    assert split_ours(backend.messages[0].content)[1] in (b"abc\r\n", b"\r\nabc\r\n")


def test_not_offered(make_gatepost, make_backend, connect):
    capabilities = tuple(line for line in CAPABILITIES if line != "CHUNKING")
    backend = make_backend(capabilities=capabilities)
    client = connect(make_gatepost(backend.endpoint))
    assert "CHUNKING" not in client.ehlo()
    client.envelope("r@gatepost.test")
    client.send(chunk(b"QUIT\r\n"))
    assert client.reply().text == "521 5.5.1 Error: command not implemented"
    assert client.rest() == b""


def test_without_recipient(session, backend):
    """The chunk is swallowed."""
    session.expect(250, "MAIL FROM:<>")
    session.send(chunk(b"RSET\r\n"))
    assert session.reply().code in (503, 554)
    session.expect(250, "NOOP")
    assert not backend.messages


def test_without_mail_on_postfix(gatepost, connect):
    client = connect(gatepost)
    client.ehlo()
    client.send(chunk(b"RSET\r\n"))
    assert client.reply().code == 503
    client.expect(250, "NOOP")


def test_after_an_error_chunks_are_discarded(gatepost, connect, postfix, recipient):
    """A pipelining sender sends them all the same; the session goes on."""
    client = connect(gatepost)
    client.ehlo()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<x@elsewhere.example>\r\n" + chunk(b"QUIT\r\n", False)
                + chunk(b"DATA\r\n", False) + chunk(b"RSET\r\n"))
    codes = [client.reply().code for _ in range(5)]
    assert codes[:2] == [250, 554] and all(code // 100 == 5 for code in codes[2:])
    address = recipient()
    client.envelope(address)
    client.send(chunk(CONTENT))
    assert client.reply().code == 250
    assert split_delivered(postfix.wait_mail(address))[2] == CONTENT.replace(b"\r\n", b"\n")


def test_chunk_refused_by_the_backend(session, backend):
    backend.arm("BDAT", Say(b"552 5.3.4 Chunk exceeds message size limit\r\n"))
    session.envelope("r@gatepost.test")
    session.send(chunk(CONTENT, False))
    assert session.reply().code == 552
    backend.arm("BDAT", None)
    session.expect(250, "RSET")
    session.envelope("r@gatepost.test")
    session.send(chunk(CONTENT))
    assert session.reply().code == 250
    assert split_ours(backend.messages[0].content)[1] == CONTENT


def test_backend_that_dies_between_chunks(session, backend):
    backend.arm("BDAT", Say(b"250 2.0.0 Ok\r\n", then=DROP))
    session.envelope("r@gatepost.test")
    session.send(chunk(CONTENT, False))
    assert session.reply().code == 250
    wait_until(lambda: backend.sessions[0].closed, "the backend's end")
    session.send(chunk(b"more\r\n"))
    reply = session.reply()
    assert reply.code in (421, 451), reply.raw
    assert not backend.messages


def test_rset_between_chunks(session, backend):
    session.envelope("r@gatepost.test")
    session.send(chunk(b"Subject: one\r\n", False))
    assert session.reply().code == 250
    session.expect(250, "RSET")
    session.envelope("r@gatepost.test")
    session.send(chunk(CONTENT))
    assert session.reply().code == 250
    assert [split_ours(message.content)[1] for message in backend.messages] == [CONTENT]


def test_data_between_chunks(gatepost, connect, recipient):
    client = connect(gatepost)
    client.ehlo()
    client.envelope(recipient())
    client.send(chunk(b"Subject: one\r\n", False))
    assert client.reply().code == 250
    assert client.command("DATA").code == 503


def test_starttls_between_chunks(session, backend):
    """What was sent in cleartext is forgotten."""
    session.envelope("r@gatepost.test")
    session.send(chunk(b"Subject: cleartext\r\n", False))
    assert session.reply().code == 250
    session.starttls()
    session.ehlo()
    session.envelope("r@gatepost.test")
    session.send(chunk(CONTENT))
    assert session.reply().code == 250
    ours, rest = split_ours(backend.messages[-1].content)
    assert rest == CONTENT and ours.protection.startswith("(using ")
    assert len(backend.messages) == 1


def test_more_than_two_gigabytes_are_announced_to_the_backend(session, backend):
    session.envelope("r@gatepost.test")
    session.send(b"BDAT 5000000000\r\nSubject: x\r\n\r\n" + b"y" * 10000)
    wait_until(lambda: backend.sessions[0].commands[-1].startswith(b"BDAT"), "the chunk")
    session.reset()
    sizes = [int(command.split()[1]) for command in backend.sessions[0].commands
             if command.startswith(b"BDAT")]
    assert 0 < sizes[0] < 5_000_010_000
    assert HOSTNAME.encode() in bytes(backend.sessions[0].received)


def test_replies_name_what_the_client_sent(gatepost, connect, recipient):
    """One reply for each chunk, in order, also if gatepost regroups them."""
    client = connect(gatepost)
    client.ehlo()
    client.envelope(recipient())
    client.send(chunk(b"Subject: x\r\n", False) * 20 + chunk(b"\r\nbody\r\n"))
    replies = [client.reply() for _ in range(21)]
    assert all(reply.code == 250 for reply in replies)
    assert "queued as" in replies[-1].text
    assert not any("queued as" in reply.text for reply in replies[:-1])
    client.quit()
