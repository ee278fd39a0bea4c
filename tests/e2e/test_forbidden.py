"""What clients may not say: bare LF by smtpd_forbid_bare_newline and its companions, words that are
no SMTP; with Postfix's replies and log lines, and each reply in its turn."""

import pytest

from harness.backend_dialogue import Say
from harness.client import Client

SYNC = "554 5.5.0 Error: SMTP protocol synchronization"
BARE = "550 5.5.2 front.gatepost.test Error: bare <LF> received"
RULES = "221 2.7.0 Error: I can break rules, too. Goodbye."
ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<r@x>\r\n"
WHO = r"from unknown\[127\.0\.0\.2\]"


def open_session(daemon, source="127.0.0.2"):
    """A client after EHLO."""
    client = Client(daemon.address, source)
    client.ehlo()
    return client


def chunk(content, last=True):
    """A BDAT command with its chunk."""
    return b"BDAT %d%s\r\n" % (len(content), b" LAST" if last else b"") + content


def codes(client, count):
    """The codes of the next replies."""
    return [client.reply().code for _ in range(count)]


# Bare LF

def test_reject_in_chunks(make_gatepost, backend):
    """In the header section, behind it, at the edge of a chunk; pipelined replies keep their order,
    and what follows is discarded until LAST."""
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="reject",
                           smtpd_error_sleep_time="0")
    for content in (b"Subject: x\n\r\n", b"Subject: x\r\n\r\nbody\n", b"Subject: x\r\n\r\n" +
                    b"y" * 300_000 + b"\n", b"\n"):
        client = open_session(daemon)
        client.send(ENVELOPE + chunk(content))
        assert codes(client, 2) == [250, 250]
        assert client.reply().text == BARE
        client.send(ENVELOPE + chunk(b"Subject: x\r\n", False) + chunk(b"\r\nbody\r", False) +
                    chunk(b"\n", False) + chunk(content, False) + chunk(b"good\r\n", False) +
                    chunk(b"good\r\n"))
        assert codes(client, 5) == [250] * 5  # CR and LF in two chunks are a line end
        assert client.reply().text == BARE
        for _ in range(2):
            assert client.reply().text == "551 5.0.0 Discarded 6 bytes after earlier error"
        client.send(ENVELOPE + chunk(b"Subject: good\r\n\r\n"))
        assert codes(client, 3) == [250] * 3
        client.quit()
    assert len(backend.messages) == 4
    assert all(b"Subject: good" in message.content for message in backend.messages)
    daemon.wait_log(rf"NOQUEUE: reject: END-OF-MESSAGE {WHO}: bare <LF> received; proto=ESMTP "
                    r"helo=<client\.example>$")
    daemon.wait_log(rf"NOQUEUE: reject: BDAT content {WHO}: bare <LF> received; ")


@pytest.mark.parametrize("reset", [b"RSET\r\n", b"EHLO x\r\n"])
def test_discarding_chunks_ends(make_gatepost, backend, reset):
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="reject")
    client = open_session(daemon)
    client.send(ENVELOPE + chunk(b"x\n", False))
    assert codes(client, 3) == [250, 250, 550]
    client.send(reset)
    assert client.reply().code == 250
    client.send(ENVELOPE + chunk(b"x: y\r\n"))
    assert codes(client, 3) == [250] * 3
    client.quit()


def test_note_in_chunks(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="note")
    client = open_session(daemon)
    client.send(ENVELOPE + chunk(b"x: y\r\n\r\n" + b"z" * 70_000 + b"\n"))
    assert codes(client, 3) == [250] * 3
    client.quit()
    daemon.wait_log(r"disconnect from \S+ .* commands=5 notes=bare_lf$")


def test_reject_of_commands(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="reject")
    client = open_session(daemon)
    client.send(b"MAIL FROM:<a@x>\r\nRSET\n")
    assert client.reply().code == 250
    assert client.reply().text == BARE
    assert client.rest_unbroken() == b""
    daemon.wait_log(rf"NOQUEUE: reject: MAIL {WHO}: bare <LF> received; proto=ESMTP ")


@pytest.mark.parametrize("code, goes_on", [(550, True), (554, True), (521, False)])
def test_reject_code(make_gatepost, backend, code, goes_on):
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="reject",
                           smtpd_forbid_bare_newline_reject_code=str(code))
    for content in (b"DATA", None):
        client = open_session(daemon)
        client.envelope("r@x")
        if content:
            client.expect(354, "DATA")
            client.send(b"x: y\n\r\n.\r\n")
        else:
            client.send(chunk(b"x: y\n"))
        assert client.reply().text == BARE.replace("550", str(code))
        if goes_on:
            client.quit()
        else:
            assert client.rest_unbroken() == b""
    client = open_session(daemon)
    client.send(b"NOOP\n")
    assert client.reply().code == code
    assert client.rest_unbroken() == b""


def test_exclusions(make_gatepost, backend):
    """As postconf(5) has it: addresses, networks, exceptions; $mynetworks by default."""
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="reject",
                           smtpd_forbid_bare_newline_exclusions="!127.0.0.9, 127.0.0.8/31")
    for source, code in (("127.0.0.8", 250), ("127.0.0.9", 550), ("127.0.0.2", 550)):
        client = open_session(daemon, source)
        client.envelope("r@x")
        client.expect(354, "DATA")
        client.send(b"x: y\n\r\n.\r\n")
        assert client.reply().code == code, source
    default = make_gatepost(backend.endpoint, start=False, mynetworks="127.0.0.5")
    del default.parameters["smtpd_forbid_bare_newline_exclusions"]
    default.write_config(smtpd_forbid_bare_newline="reject")
    default.start()
    for source, code in (("127.0.0.5", 250), ("127.0.0.2", 550)):
        client = Client(default.address, source)
        client.send(b"EHLO x\n")
        assert client.reply().code == code


# What is no SMTP

def test_forbidden_commands(make_gatepost, backend):
    """Postfix's defaults: verbs of HTTP, what begins with no letter, and header lines."""
    daemon = make_gatepost(backend.endpoint)
    for line in (b"GET / HTTP/1.1", b"get /", b"CONNECT x:25", b"POST /", b"\x16\x03\x01", b"!x", b"1",
                 b"Subject: x", b"X-Y:z", b".", b" GET /"):
        client = open_session(daemon)
        client.send(b"MAIL FROM:<a@x>\r\n" + line + b"\r\nRCPT TO:<r@x>\r\n")
        assert client.reply().code == 250
        assert client.reply().text == RULES, line
        assert client.rest_unbroken() == b""
    for line in (b"GETX", b"FOO", b"X-FROB x"):
        client = open_session(daemon)
        assert client.command(line).code == 500
        client.quit()
    daemon.wait_log(rf"warning: non-SMTP command {WHO}: GET / HTTP/1\.1$")
    daemon.wait_log(rf"warning: non-SMTP command {WHO}: \\026\\003\\001$")
    daemon.wait_log(r"disconnect from \S+ ehlo=1 mail=1 unknown=0/1 commands=2/3$")


def test_forbidden_commands_can_be_chosen(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, smtpd_forbidden_commands=
                           "!FROB, regexp:{{/^FRO/ no}, {!/^[a-m]/ no}}, HAM")
    for line, code in ((b"FROB", 500), (b"frobX", 221), (b"zzz", 221), (b"ham", 221), (b"eggs", 500),
                       (b"GET /", 500), (b"A: b", 221)):
        assert open_session(daemon).command(line).code == code, line
    none = make_gatepost(backend.endpoint, smtpd_forbidden_commands="")
    assert open_session(none).command(b"GET /").code == 500
    assert open_session(none).command(b"Subject: x").code == 221


# In their turn

@pytest.mark.parametrize("line, reply", [
    (b"NOOP\r\nNOOP\r\n", SYNC), (b"GET /\r\n", RULES), (b"BDAT x\r\n",
                                                        "521 5.5.4 Syntax: BDAT count [LAST]")])
def test_a_message_is_answered_before_the_last_words(make_gatepost, backend, line, reply):
    """They would be taken for the answer to it, and it would be sent again."""
    backend.arm("END", Say(b"250 2.0.0 Ok: queued\r\n", slowly=True))
    daemon = make_gatepost(backend.endpoint)
    for _ in range(3):
        client = open_session(daemon)
        client.envelope("r@x")
        client.expect(354, "DATA")
        client.send(b"Subject: x\r\n\r\n.\r\n" + line)
        assert client.reply().text == "250 2.0.0 Ok: queued"
        assert client.reply().text == reply
        assert client.rest_unbroken() == b""
