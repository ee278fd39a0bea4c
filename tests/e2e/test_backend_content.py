"""Backends that misbehave while a message is on its way, or between two: verdicts that come too
early, or when nobody listens; connections that end with nothing under way; replies that never end."""

import os
import time

import pytest

from harness.backend_dialogue import DEAF, DROP, HALF, HANG, RESET, Say
from harness.client import Client
from harness.daemon import HOSTNAME
from harness.wait import wait_until

CONTENT = b"Subject: x\r\n\r\nbody\r\n"
LARGE = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 100_000  # more than all buffers hold
UNAVAILABLE = f"421 4.3.2 {HOSTNAME} Service currently unavailable"
REFUSAL = "552 5.3.4 Too big"


@pytest.fixture
def daemon(make_gatepost, backend):
    """In front of the scripted backend, which has 2 seconds, and of which it knows enough."""
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1", gatepost_backend_timeout="2s")
    with Client(daemon.address) as client:
        client.ehlo()
    return daemon


def in_content(connect, daemon, tls=False):
    """A client that has been told 354."""
    client = connect(daemon)
    client.ehlo()
    if tls:
        client.starttls()
        client.ehlo()
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    return client


# Verdicts before the end

@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("then", ["", DEAF, DROP, RESET, HALF, HANG])
def test_early_refusal_of_a_large_message(daemon, backend, connect, then, tls):
    """The client goes on sending, which is not passed on, and nobody waits for anybody; then it
    hears the backend's own words, and may go on."""
    backend.arm("CONTENT", Say(f"{REFUSAL}\r\n".encode(), then=then))
    client = in_content(connect, daemon, tls)
    client.send(LARGE[:100])
    wait_until(lambda: backend.sessions[0].acted or backend.sessions[0].closed, "the verdict")
    client.send(LARGE[100:] + b".\r\nNOOP\r\n")
    assert client.reply().text == REFUSAL
    assert client.reply().code == 250
    backend.arm("CONTENT", None)
    client.deliver("r@gatepost.test", CONTENT)
    assert len(backend.messages) == 1


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("words,heard", [
    (REFUSAL, REFUSAL), ("452 4.3.1 Full", "452 4.3.1 Full"), ("421 4.3.2 Bye", "421 4.3.2 Bye"),
    ("250 2.0.0 queued", UNAVAILABLE), ("354 go on", UNAVAILABLE), ("what?", UNAVAILABLE)])
def test_verdict_of_a_backend_that_reads_no_more(daemon, backend, connect, words, heard, tls):
    """All buffers are full when it comes."""
    backend.arm("CONTENT", Say(f"{words}\r\n".encode(), pause=0.5, then=DEAF))
    client = in_content(connect, daemon, tls)
    client.send(LARGE + b".\r\n")
    assert client.reply().text == heard
    assert not backend.messages


@pytest.mark.slow
@pytest.mark.parametrize("words,heard", [(REFUSAL, REFUSAL), ("250 2.0.0 queued", UNAVAILABLE)])
def test_verdict_before_the_final_dot_was_sent(make_gatepost, make_backend, directory, words, heard):
    """The client has sent everything, but a part of it, however small, is still in gatepost. A
    UNIX socket takes some 200 kB; one of these sizes is just beyond."""
    backend = make_backend(path=os.path.join(directory, "backend"))
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1", gatepost_backend_timeout="20s")
    whole, parts = 0, 0
    for number, lines in enumerate(range(1000, 7000, 400)):
        address = f"127.0.1.{number}"
        backend.arm("CONTENT", Say(f"{words}\r\n".encode(), pause=0.2, then=DEAF), client=address)
        with Client(daemon.address, address) as client:
            client.ehlo()
            client.envelope("r@gatepost.test")
            client.expect(354, "DATA")
            client.send(b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * lines + b".\r\n")
            reply = client.reply().text
        session = backend.sessions[-1]
        wait_until(lambda session=session: session.closed, "the backend's end")
        # If all of it was sent, the backend may have seen it: then it is its word that counts.
        sent = session.received.endswith(b"\r\n.\r\n")
        assert reply == (words if sent else heard), f"{lines} lines, sent: {sent}"
        whole, parts = whole + sent, parts + (not sent)
    assert whole and parts


def test_early_verdict_within_a_chunk(daemon, backend, connect):
    """The rest of the chunk is read and thrown away."""
    client = connect(daemon)
    client.ehlo()
    client.envelope("r@gatepost.test")
    backend.arm("BDAT1", Say(f"{REFUSAL}\r\n".encode(), then=DEAF))
    client.send(b"BDAT %d LAST\r\n%b" % (len(LARGE), LARGE))
    assert client.reply().text == REFUSAL
    client.expect(250, "NOOP")
    assert not backend.messages


def test_reply_for_each_recipient(daemon, backend, connect):
    """As in LMTP. The first is the verdict on the message; what comes behind it is no SMTP."""
    backend.arm("END", Say(b"250 2.0.0 for a\r\n550 5.1.1 for b\r\n", accepts=True))
    client = connect(daemon)
    client.ehlo()
    client.envelope("a@gatepost.test")
    client.expect(250, "RCPT TO:<b@gatepost.test>")
    client.expect(354, "DATA")
    client.send(CONTENT + b".\r\n")
    assert client.reply().text == "250 2.0.0 for a"
    assert client.reply().text == UNAVAILABLE
    assert client.rest() == b""
    daemon.wait_log(r'unexpected reply "550 5\.1\.1 for b" while nothing was asked of it')


def test_lmtp_server(daemon, backend, connect):
    """It knows no EHLO."""
    backend.arm("CONNECT", Say(b"220 backend.test LMTP\r\n"))
    backend.arm("EHLO", Say(b"500 5.5.1 Use LHLO\r\n"))
    client = connect(daemon)
    client.ehlo()
    assert client.command("MAIL FROM:<>").text == UNAVAILABLE


# Between messages

@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("action", [DROP, RESET, HALF])
def test_idle_backend_that_leaves(daemon, backend, connect, action, tls):
    """With nothing under way it takes nothing along: the client does not notice."""
    backend.arm("IDLE", action)
    client = connect(daemon)
    client.ehlo()
    if tls:
        client.starttls()
        client.ehlo()
    for number in range(3):
        client.deliver("r@gatepost.test", CONTENT)
        wait_until(lambda: backend.sessions[number].closed, "the backend's end")
    client.quit()
    assert len(backend.messages) == 3 and len(backend.sessions) == 3
    assert "warning: backend" not in daemon.log()


@pytest.mark.parametrize("words,heard", [
    ("421 4.3.2 Bye", "421 4.3.2 Bye"), ("521 5.3.2 Bye", "521 5.3.2 Bye"),
    ("250 2.0.0 Ok", UNAVAILABLE), ("550 5.0.0 No", UNAVAILABLE), ("x", UNAVAILABLE)])
def test_idle_backend_that_speaks(daemon, backend, connect, words, heard):
    """It is not taken for a reply to what comes next."""
    backend.arm("IDLE", Say(f"{words}\r\n".encode()))
    client = connect(daemon)
    client.ehlo()
    client.deliver("r@gatepost.test", CONTENT)
    assert client.reply().text == heard
    assert client.rest() == b""
    assert len(backend.messages) == 1


@pytest.mark.slow
def test_idle_backend_that_hangs(daemon, backend, connect):
    """It is noticed with the next command, within its time; the message before was delivered."""
    backend.arm("IDLE", HANG)
    client = connect(daemon)
    client.ehlo()
    client.deliver("r@gatepost.test", CONTENT)
    assert client.command("MAIL FROM:<>").text == UNAVAILABLE
    daemon.wait_log(r"timeout while waiting for its reply to MAIL")


# Time

@pytest.mark.slow
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "END"])
def test_reply_that_never_ends(daemon, backend, connect, step):
    """gatepost_backend_timeout is for the whole reply, not for each of its bytes."""
    backend.arm(step, Say(b"250-" + b"x" * 400, slowly=True, pause=0.1))
    client = connect(daemon)
    start = time.monotonic()
    client.ehlo()
    reply = client.command("MAIL FROM:<>")
    if step == "END":
        client.expect(250, "RCPT TO:<r@gatepost.test>")
        client.expect(354, "DATA")
        client.send(CONTENT + b".\r\n")
        reply = client.reply()
    assert reply.text == UNAVAILABLE
    assert time.monotonic() - start < 20
    daemon.wait_log(r"warning: backend \S+: timeout while waiting for")


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True])
def test_slow_backend_does_not_use_up_the_clients_time(make_gatepost, backend, connect, tls):
    """The client's own timeout begins when it has been answered."""
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1", smtpd_timeout="2s")
    with Client(daemon.address) as client:
        client.ehlo()
    backend.arm("MAIL", Say(b"250 2.1.0 At last\r\n", pause=3, accepts=True))
    client = connect(daemon)
    client.ehlo()
    if tls:
        client.starttls()
        client.ehlo()
    client.expect(250, "MAIL FROM:<>")
    time.sleep(0.5)  # the time that is being tested
    client.expect(250, "RCPT TO:<r@gatepost.test>")
