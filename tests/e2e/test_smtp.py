"""The SMTP dialogue: what is answered here, in Postfix's words, and what goes to the backend."""

import pytest

from harness.backend import CAPABILITIES
from harness.client import Closed
from harness.daemon import HOSTNAME

CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
def session(gatepost, connect):
    """A client after EHLO, in front of the real Postfix."""
    client = connect(gatepost)
    client.ehlo()
    return client


def relayed(session):
    """The commands that a backend session got after the EHLO (and XCLIENT, EHLO) of gatepost."""
    names = [command.split(b" ")[0].upper() for command in session.commands]
    last = max(index for index, name in enumerate(names) if name in (b"EHLO", b"HELO"))
    return session.commands[last + 1:]


# Answered here

def test_replies_before_tls(session):
    assert session.command("NOOP").text == "250 2.0.0 Ok"
    assert session.command("RSET").text == "250 2.0.0 Ok"
    assert session.command("STARTTLS now").text == "501 5.5.4 Syntax: STARTTLS"
    assert session.command("").text == "500 5.5.2 Error: bad syntax"
    assert session.command("QUIT").text == "221 2.0.0 Bye"
    assert session.rest() == b""


def test_replies_after_tls(session):
    assert session.command("STARTTLS").text == "220 2.0.0 Ready to start TLS"
    session.handshake()
    session.ehlo()
    assert session.command("STARTTLS").text == "554 5.5.1 Error: TLS already active"
    session.quit()


def test_helo_and_ehlo_need_a_name(gatepost, connect):
    client = connect(gatepost)
    assert client.command("EHLO").text == "501 Syntax: EHLO hostname"
    assert client.command("HELO").text == "501 Syntax: HELO hostname"


def test_commands_in_any_case_and_spacing(session):
    assert session.command("nOOp").code == 250
    assert session.command("ehlo  x.example ").code == 250
    assert session.command("sTaRtTlS ").code == 220
    session.handshake()
    session.ehlo()


def test_ehlo_shows_what_the_backend_can(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    reply = client.command("EHLO client.example")
    assert reply.lines[0] == HOSTNAME
    before = list(reply.lines[1:])
    assert before[4] == "STARTTLS"  # where Postfix has it
    expected = [line for line in CAPABILITIES if not line.startswith("SIZE")]
    assert [line for line in before if line[:4] != "SIZE" and line != "STARTTLS"] == expected
    client.starttls()
    assert list(client.command("EHLO client.example").lines[1:]) == \
        [line for line in before if line != "STARTTLS"]


def test_ehlo_learns_from_each_session(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1")
    first = connect(daemon)
    assert "X-NEW" not in first.ehlo()
    backend.capabilities += ("X-NEW",)
    first.expect(250, "MAIL FROM:<>")
    first.quit()
    assert "X-NEW" in connect(daemon).ehlo()


def test_no_starttls_without_tls(make_gatepost, postfix, connect):
    client = connect(make_gatepost(postfix.proxy_endpoint, smtpd_tls_security_level="none"))
    assert "STARTTLS" not in client.ehlo()
    assert client.command("STARTTLS").text == "502 5.5.1 Error: command not implemented"


def test_enforced_tls(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, smtpd_tls_security_level="encrypt")
    client = connect(daemon)
    assert client.command("NOOP").code == 250
    assert "STARTTLS" in client.ehlo()
    for command in ("MAIL FROM:<>", "RCPT TO:<a@b>", "DATA", "RSET", "VRFY x", "ETRN x",
                    "AUTH PLAIN x", "XFORWARD NAME=x"):
        assert client.command(command).text == "530 5.7.0 Must issue a STARTTLS command first"
    assert client.command("BOGUS").text == "500 5.5.2 Error: command not recognized"
    assert not backend.sessions
    client.starttls()
    client.ehlo()
    client.deliver("r@gatepost.test", CONTENT)
    assert len(backend.messages) == 1


def test_enforced_tls_quit(make_gatepost, postfix, connect):
    daemon = make_gatepost(postfix.proxy_endpoint, smtpd_tls_security_level="encrypt")
    connect(daemon).quit()


# Never passed on

@pytest.mark.parametrize("protocol", ["proxy2", "xclient"])
def test_xclient_and_xforward_are_unknown_to_clients(make_gatepost, make_backend, connect,
                                                    protocol):
    backend = make_backend(protocol, CAPABILITIES + ("XFORWARD NAME ADDR", "STARTTLS"))
    client = connect(make_gatepost(backend.endpoint, gatepost_backend_protocol=protocol))
    keywords = [line.split()[0] for line in client.command("EHLO x.example").lines[1:]]
    assert "XCLIENT" not in keywords and "XFORWARD" not in keywords
    assert keywords.count("STARTTLS") == 1
    client.expect(250, "MAIL FROM:<>")
    for command in ("XCLIENT ADDR=127.0.0.1", "xclient NAME=localhost", "XFORWARD ADDR=127.0.0.1",
                    "xFoRwArD NAME=x", " XCLIENT ADDR=127.0.0.1", "XCLIENT\tADDR=127.0.0.1"):
        assert client.command(command).code in (500, 502)
    got = relayed(backend.wait_sessions(1)[0])
    assert got == [b"MAIL FROM:<>"]


def test_nothing_is_sent_to_the_backend_before_it_is_needed(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint)
    client = connect(daemon)
    client.ehlo()
    client.expect(250, "NOOP")
    client.starttls()
    client.ehlo()
    client.quit()
    daemon.wait_log(r"disconnect from unknown\[127\.0\.0\.2\]")
    assert not backend.sessions
    other = connect(daemon)
    other.ehlo()
    other.expect(250, "MAIL FROM:<>")
    assert len(backend.wait_sessions(1)) == 1


# Relayed

def test_who_the_backend_is_told(make_gatepost, make_backend, connect):
    for protocol in ("proxy2", "proxy1", "xclient"):
        backend = make_backend(protocol)
        daemon = make_gatepost(backend.endpoint, gatepost_backend_protocol=protocol)
        client = connect(daemon)
        client.ehlo()
        client.expect(250, "MAIL FROM:<>")
        session = backend.wait_sessions(1)[0]
        name = client.socket.getsockname()
        if protocol == "xclient":
            words = set(session.xclient.split()[1:])
            assert {b"ADDR=127.0.0.2", b"PORT=%d" % name[1], b"PROTO=ESMTP",
                    b"NAME=[UNAVAILABLE]", b"REVERSE_NAME=[UNAVAILABLE]",
                    b"HELO=client.example"} <= words
        else:
            assert session.proxy.client == name
            assert session.proxy.server == daemon.address
        assert any(command.upper().startswith(b"EHLO ") for command in session.commands)


def test_backend_decides_what_it_knows(session):
    assert session.command("VRFY someone@gatepost.test").code == 252
    assert session.command("ETRN gatepost.test").code in (250, 458, 459, 501, 503)
    assert session.command("BOGUS command").text == "500 5.5.2 Error: command not recognized"
    assert session.command("AUTH PLAIN AGEAYg==").code == 503
    assert session.command("DATA").code == 503
    assert session.command("RCPT TO:<x@gatepost.test>").code == 503
    session.quit()


def test_unknown_commands_reach_the_backend_as_they_are(make_gatepost, backend, connect):
    backend.arm("X-FROB", None)
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert client.command("X-Frob  Some Thing").code == 500
    assert relayed(backend.wait_sessions(1)[0]) == [b"X-Frob  Some Thing"]


def test_rset_ends_the_transaction(session, recipient):
    session.envelope(recipient())
    session.expect(250, "RSET")
    session.expect(503, "DATA")


def test_ehlo_ends_the_transaction(session, recipient):
    session.envelope(recipient())
    session.ehlo()
    session.expect(503, "DATA")


def test_pipelined_transaction(session, postfix, recipient):
    first, second = recipient(), recipient()
    session.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<%s>\r\nRCPT TO:<x@elsewhere.example>\r\n"
                 b"RCPT TO:<%s>\r\nDATA\r\n" % (first.encode(), second.encode()))
    assert [session.reply().code for _ in range(5)] == [250, 250, 554, 250, 354]
    session.send(CONTENT + b".\r\nRSET\r\nRSET\r\nQUIT\r\n")
    assert [session.reply().code for _ in range(4)] == [250, 250, 250, 221]
    assert session.rest() == b""
    assert postfix.wait_mail(first) and postfix.wait_mail(second)


def test_pipelined_data_that_is_refused(session):
    """Without a valid recipient there is no 354, and no content is expected."""
    session.send(b"MAIL FROM:<>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n")
    assert [session.reply().code for _ in range(3)] == [250, 554, 554]
    session.send(b"RSET\r\n")
    assert session.reply().code == 250
    session.quit()


def test_pipelined_bdat_that_is_refused(make_gatepost, backend, connect):
    """The chunk is swallowed, never interpreted."""
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<reject@x>\r\nBDAT 17 LAST\r\nNOOP\r\nQUIT\r\nABC\r\n"
                b"NOOP\r\n")
    codes = [client.reply().code for _ in range(4)]
    assert codes[:2] == [250, 550] and codes[2] // 100 == 5 and codes[3] == 250
    assert not backend.messages
    client.quit()


def test_many_commands_in_one_packet(session):
    count = 100  # no more than smtpd_junk_command_limit
    session.send(b"RSET\r\n" * count)
    assert [session.reply().code for _ in range(count)] == [250] * count


def test_long_commands(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    fits = "X" * 2000
    assert client.command(fits).code == 500
    assert relayed(backend.wait_sessions(1)[0]) == [fits.encode()]
    for length in (2049, 5000, 200_000):
        reply = client.command("Y" * length)
        assert reply.code == 500 and "too long" in reply.text
    assert client.command("NOOP").code == 250
    assert relayed(backend.sessions[0]) == [fits.encode(), b"NOOP"]


def test_commands_end_in_a_bare_lf_too(session):
    session.send(b"NOOP\n")
    assert session.reply().code == 250


def test_one_byte_at_a_time(gatepost, connect, postfix, recipient):
    client = connect(gatepost)
    address = recipient()
    for line in (b"EHLO x.example", b"MAIL FROM:<>", b"RCPT TO:<%s>" % address.encode(), b"DATA"):
        client.send_pieces(line + b"\r\n", iter(lambda: 1, 0))
        assert client.reply().code in (250, 354)
    client.send_pieces(CONTENT + b".\r\n", iter(lambda: 1, 0))
    assert client.reply().code == 250
    assert postfix.wait_mail(address)


def test_client_that_vanishes(gatepost, connect, recipient):
    """Neither kind of end disturbs the daemon."""
    for end in ("close", "reset"):
        client = connect(gatepost)
        client.ehlo()
        client.envelope(recipient())
        getattr(client, end)()
    gatepost.wait_log(r"(lost connection after RCPT from unknown\[127\.0\.0\.2\][\s\S]*){2}")
    connect(gatepost).quit()


def test_unknown_text_is_no_reply_to_the_wrong_command(session):
    """Nothing more is said than was asked for."""
    session.expect(250, "NOOP")
    session.send(b"QUIT\r\n")
    assert session.reply().code == 221
    with pytest.raises(Closed):
        session.reply()
