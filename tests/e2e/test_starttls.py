"""STARTTLS and the handshake under attack (RFC 3207): what was said before it is forgotten, what is
injected around it is never heard, and whatever becomes of it, the client is told in full.

The daemon has two listeners: STARTTLS, and TLS from the first byte.
"""

import contextlib
import ssl
import struct

import pytest

from harness.backend import CAPABILITIES
from harness.client import Client, tls_context
from harness.headers import split_ours
from harness.ports import free_port
from harness.tls_pipe import ALERT, DATA, TlsPipe, alert, bytewise, tiny_records
from harness.wait import wait_until

SOURCE = "127.0.0.2"
KINDS = ["starttls", "wrapped"]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SYNC = b"554 5.5.0 Error: SMTP protocol synchronization\r\n"
FLOOD = b"NOOP flood\r\n" * 200_000  # more than any socket buffer holds
MESSAGE = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
def front(make_gatepost, make_backend):
    """Daemon and backend; reach(kind) is a connection on which the handshake is due."""
    backend = make_backend(capabilities=CAPABILITIES + ("AUTH PLAIN LOGIN",))
    wrapped = free_port()
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(
        gatepost_listen=f"127.0.0.1:{daemon.port}, "
        f"{{ 127.0.0.1:{wrapped}, smtpd_tls_wrappermode=yes }}",
        smtpd_client_connection_count_limit="0", gatepost_workers="1")
    daemon.start()
    daemon.backend = backend
    with contextlib.ExitStack() as clients:
        def reach(kind="starttls"):
            if kind == "wrapped":
                return clients.enter_context(Client(("127.0.0.1", wrapped), SOURCE, False))
            client = clients.enter_context(Client(daemon.address, SOURCE))
            client.ehlo()
            client.expect(220, "STARTTLS")
            return client

        daemon.reach = reach
        yield daemon


def protect(client, kind="starttls", **options):
    """The handshake; with wrappermode, the greeting comes after it."""
    client.socket = TlsPipe(client.socket, **options).handshake()
    if kind == "wrapped":
        assert client.reply().code == 220
    return client


def version_context(version, **options):
    """Only this version."""
    return tls_context(version, version, **options)


def cleartext_session(front):
    """A client after EHLO."""
    client = Client(front.address, SOURCE)
    client.ehlo()
    return client


# The command

@pytest.mark.parametrize("line, code", [
    (b"STARTTLS", 220), (b"starttls", 220), (b"STARTTLS ", 220), (b" STARTTLS", 220),
    (b"STARTTLS\0", 220), (b"STARTTLS\0now", 220), (b"STARTTLS\t", 220), (b"STARTTLS\r", 220),
    (b"STARTTLS now", 501), (b"STARTTLS \0", 220), (b"STARTTLS .", 501), (b"STARTTLSX", 500),
    (b"\0STARTTLS", 500)])
def test_spelling(front, line, code):
    """Postfix's reading: what follows a NUL is not there."""
    client = cleartext_session(front)
    assert client.command(line).code == code
    if code == 220:
        protect(client).ehlo()
    client.quit()


def test_before_ehlo(front):
    """As Postfix takes it."""
    client = Client(front.address, SOURCE)
    client.expect(220, "STARTTLS")
    protect(client)
    client.ehlo()
    client.quit()


@pytest.mark.parametrize("kind", KINDS)
def test_twice(front, kind):
    client = protect(front.reach(kind), kind)
    assert "STARTTLS" not in client.ehlo()
    for _ in range(2):
        assert client.command("STARTTLS").text == "554 5.5.1 Error: TLS already active"
        assert client.command("STARTTLS x").text == "501 5.5.4 Syntax: STARTTLS"
    client.deliver("r@gatepost.test", MESSAGE)
    client.quit()


INJECTED = [b"RSET\r\n", b"EHLO evil.example\r\n", b"\0", b"\r\n", b"\n", b"x", b".\r\n",
            b"EHLO evil.example\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<r@x>\r\nDATA\r\n",
            b"STARTTLS\r\n", b"QUIT\r\n", FLOOD[:100_000]]


@pytest.mark.parametrize("before", [b"", b"EHLO x.example\r\n"], ids=["alone", "behind-ehlo"])
def test_injected_commands(front, before):
    """In the same segment: the session is over, and nothing of it was heard."""
    for injected in INJECTED:
        client = cleartext_session(front)
        client.send(before + b"STARTTLS\r\n" + injected)
        said = client.rest()
        assert said.endswith(SYNC), (injected[:40], said)
        assert b"220 " not in said
    assert not front.backend.sessions
    front.wait_log(r"improper command pipelining after STARTTLS from unknown\[127\.0\.0\.2\]: RSET"
                   r"\\r\\n$" if not before else r"after EHLO from \S+: STARTTLS\\r\\nRSET\\r\\n$")


def test_ehlo_and_starttls_in_one_segment(front):
    client = Client(front.address, SOURCE)
    client.send(b"EHLO x.example\r\nSTARTTLS\r\n")
    assert client.rest().endswith(SYNC)
    front.wait_log(r"improper command pipelining after EHLO from unknown\[127\.0\.0\.2\]: "
                   r"STARTTLS\\r\\n$")


def test_injected_replies(front):
    """What the backend says too much does not arrive inside TLS as the answer to something."""
    client = cleartext_session(front)
    front.backend.arm("MAIL", None)
    client.expect(250, "MAIL FROM:<a@x>")
    backend_session = front.backend.wait_sessions(1)[0]
    client.expect(220, "STARTTLS")
    wait_until(lambda: backend_session.closed, "the end of the backend's cleartext session")
    protect(client)
    assert client.command("EHLO x.example").lines[0] == "front.gatepost.test"
    client.deliver("r@gatepost.test", MESSAGE)
    assert len(front.backend.messages) == 1
    client.quit()


# State

def test_transaction_is_forgotten(front):
    client = cleartext_session(front)
    client.envelope("r@gatepost.test")
    client.starttls()
    assert client.command("RCPT TO:<other@gatepost.test>").code == 250  # the backend takes all
    first, second = front.backend.wait_sessions(2)
    assert any(command.startswith(b"MAIL") for command in first.commands)
    assert not any(command.startswith(b"MAIL") for command in second.commands)
    client.quit()


def test_transaction_is_forgotten_by_postfix(gatepost, connect, recipient):
    client = connect(gatepost)
    client.ehlo()
    client.envelope(recipient())
    client.starttls()
    client.ehlo()
    assert client.command("DATA").text == "503 5.5.1 Error: need RCPT command"
    client.quit()


def test_login_is_forgotten(front):
    client = cleartext_session(front)
    for line, code in (("AUTH LOGIN", 334), ("bWU=", 334), ("c2VjcmV0", 235)):
        client.expect(code, line)
    client.starttls()
    client.ehlo()
    client.deliver("r@gatepost.test", MESSAGE)
    first, second = front.backend.wait_sessions(2)
    assert any(command.startswith(b"AUTH") for command in first.commands)
    assert not any(command.startswith(b"AUTH") for command in second.commands)
    assert second.messages and not first.messages
    client.quit()


def test_helo_is_forgotten(front):
    client = Client(front.address, SOURCE)
    client.ehlo("cleartext.example")
    client.starttls()
    client.expect(250, "MAIL FROM:<a@x>")
    session = front.backend.wait_sessions(1)[0]
    assert not any(b"cleartext.example" in command for command in session.commands)
    client.ehlo("protected.example")
    client.deliver("r@gatepost.test", MESSAGE)
    ours, _ = split_ours(front.backend.messages[0].content)
    assert ours.helo == "protected.example" and ours.protection.startswith("(using TLSv1.3")
    client.quit()


def test_in_the_midst_of_content(front):
    """It is a line like any other."""
    client = cleartext_session(front)
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    client.send(b"Subject: x\r\n\r\nSTARTTLS\r\n")
    client.send(TlsPipe(None).hello().replace(b".", b"") + b"\r\nSTARTTLS\r\n.\r\n")
    assert client.reply().code == 250
    assert front.backend.messages[0].content.count(b"STARTTLS\r\n") == 2
    client.quit()


# Bytes in the clear

@pytest.mark.parametrize("kind", KINDS)
def test_cleartext_in_place_of_records(front, kind):
    """At every step: an alert, no reply, an end that is no reset; and nothing is relayed."""
    command = b"MAIL FROM:<evil@x>\r\n"
    hello = TlsPipe(None).hello()
    for sent in (command, hello[:3] + command, hello[:20] + command * 50, hello + command,
                 hello + hello, b"\r\n", b"\x80\x03" + command, b"\x16\x03\x01\x00\x00" * 50):
        client = front.reach(kind)
        client.send(sent + FLOOD)
        rest = client.rest_unbroken()
        assert b"250" not in rest and b"554" not in rest and b"220" not in rest
    wait_until(lambda: front.log().count("SSL_accept error from unknown[127.0.0.2]: ") == 8,
               "log lines")
    assert not front.backend.sessions


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_cleartext_behind_the_handshake(front, kind, version):
    """The alert is there although much was not read."""
    for garbage in (b"MAIL FROM:<evil@x>\r\n", alert(0), alert(0, 1), b"\x17\x03\x03\x00\x10" +
                    b"\0" * 16, b"\x17\x03\x03\xff\xff", b"\0" * 100):
        client = protect(front.reach(kind), kind, context=version_context(version))
        pipe = client.socket
        client.ehlo()
        with contextlib.suppress(BrokenPipeError):
            pipe.raw.sendall(garbage + FLOOD)
        client.socket = pipe.raw
        rest = client.rest_unbroken()
        # The last record is the alert, encrypted; in TLS 1.3 in the guise of data.
        kinds = record_kinds(rest)
        assert kinds and kinds[-1] == (DATA if version == VERSIONS[1] else ALERT), garbage[:8]
    assert not front.backend.sessions
    front.wait_log(r"warning: TLS library problem: error:")
    front.wait_log(r"lost connection after EHLO from unknown\[127\.0\.0\.2\]")


def record_kinds(data):
    """The types of complete records."""
    kinds = []
    while data:
        kind, _, length = struct.unpack("!BHH", data[:5])
        assert len(data) >= 5 + length
        kinds.append(kind)
        data = data[5 + length:]
    return kinds


# Alerts

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_alerts_in_the_handshake(front, kind, version):
    """Before, within and after the ClientHello, and in answer to the server's flight."""
    sessions = 0
    for description in (0, 10, 40, 42, 48, 70, 80, 86, 90, 120, 255):
        for level in (1, 2):
            for before in (0, 1):
                client = front.reach(kind)
                sessions += 1
                pipe = TlsPipe(client.socket, version_context(version))
                if before:
                    client.send(pipe.hello())
                    assert pipe.feed()
                with contextlib.suppress(OSError):
                    client.send(alert(description, level) * 3)
                    client.socket.shutdown(1)
                assert b"220 " not in client.rest()
    wait_until(lambda: front.log().count("disconnect from unknown[127.0.0.2]") == sessions,
               "all ends")
    assert front.log().count("SSL_accept error from unknown[127.0.0.2]: ") == sessions
    assert not front.backend.sessions
    protect(front.reach(kind), kind).quit()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_client_that_refuses_the_certificate(front, version):
    """OpenSSL's alert is in the clear even in TLS 1.3, where BoringSSL expects ciphertext."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    client = front.reach()
    with pytest.raises(ssl.SSLCertVerificationError):
        client.handshake(context)
    front.wait_log(r"SSL_accept error from unknown\[127\.0\.0\.2\]: "
                   r"(tlsv1 alert unknown ca|bad packet length)$")
    front.wait_log(r"lost connection after STARTTLS from unknown\[127\.0\.0\.2\]")


@pytest.mark.parametrize("kind", KINDS)
def test_renegotiation_is_refused(front, kind):
    """A ClientHello inside of TLS 1.2."""
    client = protect(front.reach(kind), kind, context=version_context(VERSIONS[0]))
    client.ehlo()
    pipe = client.socket
    hello = bytearray(pipe.record(b"x" * 50))
    hello[0] = 22
    pipe.raw.sendall(bytes(hello))
    client.socket = pipe.raw
    assert record_kinds(client.rest_unbroken())[-1:] == [ALERT]


# ALPN (ALPACA)

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_alpn(front, kind, version):
    for offered in ([], ["smtp"], ["h2", "smtp"], ["smtp", "http/1.1"]):
        context = version_context(version)
        if offered:
            context.set_alpn_protocols(offered)
        client = protect(front.reach(kind), kind, context=context)
        assert client.socket.tls.selected_alpn_protocol() == ("smtp" if offered else None)
        client.ehlo()
        client.quit()
    for offered in (["h2"], ["http/1.1"], ["h2", "http/1.1"], ["imap"], ["pop3"], ["SMTP"],
                    ["smtps"], ["smt"], ["ftp", "xmpp-client"]):
        context = version_context(version)
        context.set_alpn_protocols(offered)
        client = front.reach(kind)
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            client.handshake(context)
    wait_until(lambda: front.log().count(
        "SSL_accept error from unknown[127.0.0.2]: no application protocol") == 9, "log lines")


# Small pieces

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("cut", [bytewise, tiny_records])
def test_handshake_and_data_in_small_pieces(front, kind, version, cut):
    client = protect(front.reach(kind), kind, context=version_context(version), cut=cut)
    client.ehlo()
    for byte in bytewise(b"MAIL FROM:<a@x>\r\nRCPT TO:<r@x>\r\nDATA\r\n"):
        client.send(byte)  # in a record of its own
    assert [client.reply().code for _ in range(3)] == [250, 250, 354]
    for byte in bytewise(MESSAGE + b".\r\n"):
        client.send(byte)
    assert client.reply().code == 250
    assert split_ours(front.backend.messages[0].content)[1] == MESSAGE
    client.quit()


# Last words

@pytest.mark.parametrize("protected", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("command, reply", [
    (b"QUIT\r\n", b"221 2.0.0 Bye\r\n"),
    (b"NOOP\r\n", SYNC),
    (b"GET / HTTP/1.1\r\n", b"221 2.7.0 Error: I can break rules, too. Goodbye.\r\n"),
    (b"BDAT x\r\n", b"521 5.5.4 Syntax: BDAT count [LAST]\r\n"),
    (b"MAIL FROM:<a@x>\r\nQUIT\r\n", b"221 2.0.0 Bye\r\n")])
def test_last_words_arrive(front, command, reply, protected):
    """The client goes on talking: the reply arrives, and then a proper end, not a reset."""
    client = cleartext_session(front)
    if protected:
        client.expect(220, "STARTTLS")
        protect(client).ehlo()
    with contextlib.suppress(BrokenPipeError):
        client.send(command + FLOOD)
    assert client.rest_unbroken().endswith(reply)
