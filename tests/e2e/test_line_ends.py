"""Where a message ends: gatepost and the backend must never disagree (SMTP smuggling)."""

import itertools

import pytest

from harness.headers import split_ours

HEADER = b"Subject: x\r\n\r\n"
SMUGGLED = b"MAIL FROM:<evil@x>\r\nRCPT TO:<v@gatepost.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n.\r\n"
# What a lenient server may take for the end of data.
FALSE_ENDS = [before + b"." + after
              for before, after in itertools.product(
                  (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\0\r\n"),
                  (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\0\r\n", b"\r\0\n", b" \r\n"))
              if (before, after) not in (((b"\r\n"), b"\r\n"), (b"\n\r\n", b"\r\n"),
                                         (b"\0\r\n", b"\r\n"), (b"\r\r\n", b"\r\n"))]


def lenient_end(content):
    """Whether a server that takes any of CR, LF, NUL runs for line ends sees a lone dot."""
    for unwanted in (b"\0",):
        content = content.replace(unwanted, b"")
    while b"\r\r" in content:
        content = content.replace(b"\r\r", b"\r")
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    return b"." in lines


def send_data(client, content):
    """A transaction whose content is sent as it is, then the real end; the reply."""
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    client.send(HEADER + content + b"\r\n.\r\n")
    return client.reply()


@pytest.mark.parametrize("end", FALSE_ENDS, ids=repr)
def test_no_false_end_splits_a_message(make_gatepost, backend, connect, end):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert send_data(client, b"text" + end + SMUGGLED[:-5] + b"text").code == 250
    client.quit()
    assert len(backend.messages) == 1
    raw = bytes(backend.sessions[0].received)
    content = raw[raw.index(b"Subject: x"):raw.index(b"\r\n.\r\n")]
    assert b"evil@x" in content
    assert not lenient_end(content), content


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"])
def test_lenient_backend_sees_one_message(gatepost, connect, postfix, recipient, end):
    """Postfix 3.7 takes LF.LF for the end of data by default."""
    address = recipient()
    client = connect(gatepost)
    client.ehlo()
    client.envelope(address)
    client.expect(354, "DATA")
    client.send(HEADER + b"one" + end + SMUGGLED[:-5] + b"\r\n.\r\n")
    assert client.reply().code == 250
    client.quit()
    message = postfix.wait_mail(address)
    assert b"RCPT TO:<v@gatepost.test>" in message
    assert not any(b"evil" in mail for mail in postfix.mail_for("v@gatepost.test"))


def test_bare_lf_is_a_line_end(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert send_data(client, b"one\ntwo\n..three\nfour").code == 250
    _, rest = split_ours(backend.messages[0].content)
    assert rest == HEADER + b"one\r\ntwo\r\n.three\r\nfour\r\n"


def test_bare_cr_is_content(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    assert send_data(client, b"one\rtwo\rthree").code == 250
    _, rest = split_ours(backend.messages[0].content)
    assert rest == HEADER + b"one\rtwo\rthree\r\n"


def test_bare_lf_can_be_rejected(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="reject")
    client = connect(daemon)
    client.ehlo()
    reply = send_data(client, b"one\ntwo")
    assert reply.text == "550 5.5.2 front.gatepost.test Error: bare <LF> received"
    assert not backend.messages
    commands = connect(daemon)
    commands.send(b"EHLO x.example\n")
    assert commands.reply().code == 550
    assert commands.rest() == b""


def test_bare_lf_can_be_noted(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="note")
    client = connect(daemon)
    client.ehlo()
    assert send_data(client, b"one\ntwo").code == 250
    client.quit()
    daemon.wait_log(r"disconnect from unknown\[127\.0\.0\.2\] .* notes=bare_lf")


def test_bare_lf_can_end_data(make_gatepost, backend, connect):
    """As in Postfix before 3.9: the operator said so."""
    daemon = make_gatepost(backend.endpoint, smtpd_forbid_bare_newline="no")
    client = connect(daemon)
    client.ehlo()
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    client.send(b"Subject: x\n\none\n.\n")
    assert client.reply().code == 250
    assert split_ours(backend.messages[0].content)[1] == b"Subject: x\r\n\r\none\r\n"


@pytest.mark.parametrize("tls", [False, True])
def test_end_split_everywhere(make_gatepost, backend, connect, tls):
    """The end of data in each possible split over packets or records."""
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    if tls:
        client.starttls()
        client.ehlo()
    content = HEADER + b"..dot\r\n."
    wire = content + b".x\r\n.\r\n"
    for split in range(1, len(wire)):
        client.envelope("r@gatepost.test")
        client.expect(354, "DATA")
        client.send(wire[:split])
        client.send(wire[split:])
        assert client.reply().code == 250
        _, rest = split_ours(backend.messages[-1].content)
        assert rest == HEADER + b".dot\r\n.x\r\n"


def test_empty_message(make_gatepost, backend, connect):
    client = connect(make_gatepost(backend.endpoint))
    client.ehlo()
    client.deliver("r@gatepost.test", b"")
    assert split_ours(backend.messages[0].content)[1] == b""
