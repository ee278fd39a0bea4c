"""The log: Postfix's lines, one a record, and nothing from the network can break or forge one."""

import os
import re
import socket
import ssl
import subprocess

import pytest

from harness.client import tls_context
from harness.daemon import HOSTNAME
from harness.wait import wait_until

PREFIX = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ gatepost/[a-z]+\[\d+\]: \S.*")
CLIENT = r"unknown\[127\.0\.0\.2\]"


def check_lines(daemon):
    """Every line of the log has the form of Postfix's own, and prints."""
    lines = daemon.log().splitlines(keepends=True)
    assert lines
    for line in lines:
        assert line.endswith("\n") and PREFIX.fullmatch(line[:-1]), repr(line)
        assert all(" " <= character <= "~" for character in line[:-1]), repr(line)
    return lines


def session_lines(daemon):
    """What was logged from the first connection on, without prefix."""
    records = [line.split("]: ", 1)[1] for line in daemon.log().splitlines()]
    return records[records.index("connect from unknown[127.0.0.2]"):]


def test_start_and_stop(gatepost):
    gatepost.wait_log(r"gatepost/master\[\d+\]: daemon started -- version \S+, "
                      rf"configuration {gatepost.directory}$")
    gatepost.stop()
    assert re.search(r"gatepost/master\[\d+\]: terminating", gatepost.log()) or \
        re.search(r"gatepost/master\[\d+\]: .*stop", gatepost.log())
    check_lines(gatepost)


def test_a_session(gatepost, connect, recipient):
    client = connect(gatepost)
    client.ehlo()
    client.starttls(tls_context(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2))
    client.ehlo()
    client.expect(250, "NOOP")
    client.deliver(recipient(), b"Subject: x\r\n\r\n")
    client.quit()
    gatepost.wait_log(rf"disconnect from {CLIENT} ")
    assert session_lines(gatepost) == [
        "connect from unknown[127.0.0.2]",
        "Anonymous TLS connection established from unknown[127.0.0.2]: "
        "TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)",
        "disconnect from unknown[127.0.0.2] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 noop=1 quit=1 "
        "commands=8",
    ]
    check_lines(gatepost)


def test_loglevel_0_says_less(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, smtpd_tls_loglevel="0")
    client = connect(daemon)
    client.ehlo()
    client.starttls()
    client.quit()
    daemon.wait_log(f"disconnect from {CLIENT} ehlo=1 starttls=1 quit=1 commands=3$")
    assert "TLS connection established" not in daemon.log()


def test_failed_commands_are_counted(gatepost, connect):
    client = connect(gatepost)
    client.ehlo()
    client.expect(503, "DATA")
    client.expect(500, "BOGUS")
    client.expect(250, "MAIL FROM:<>")
    client.expect(554, "RCPT TO:<a@elsewhere.example>")
    client.quit()
    gatepost.wait_log(f"disconnect from {CLIENT} ehlo=1 mail=1 rcpt=0/1 data=0/1 quit=1 unknown=0/1 "
                      "commands=3/6$")


def test_nothing_said(gatepost, connect):
    connect(gatepost).close()
    gatepost.wait_log(f"lost connection after CONNECT from {CLIENT}$")
    gatepost.wait_log(f"disconnect from {CLIENT} commands=0/0$")


@pytest.mark.parametrize("commands, word", [
    ([b"EHLO x.example"], "EHLO"), ([b"HELO x.example"], "HELO"),
    ([b"EHLO x.example", b"MAIL FROM:<>"], "MAIL"), ([b"EHLO x.example", b"RSET"], "RSET"),
    ([b"EHLO x.example", b"NOOP"], "NOOP"), ([b"EHLO x.example", b"FROB"], "UNKNOWN")])
def test_lost_connection(gatepost, connect, commands, word):
    client = connect(gatepost)
    for command in commands:
        client.command(command)
    client.close()
    gatepost.wait_log(f"lost connection after {word} from {CLIENT}$")


def test_lost_connection_within_content(gatepost, connect, recipient):
    client = connect(gatepost)
    client.ehlo()
    client.envelope(recipient())
    client.expect(354, "DATA")
    client.send(b"Subject: x\r\n\r\n")
    client.close()
    gatepost.wait_log(rf"lost connection after DATA \(1[0-9] bytes\) from {CLIENT}$")
    other = connect(gatepost)
    other.ehlo()
    other.envelope(recipient())
    other.send(b"BDAT 100\r\nSubject: x\r\n\r\n")
    other.close()
    gatepost.wait_log(rf"lost connection after BDAT \(1[0-9] bytes\) from {CLIENT}$")


def failed_handshake(connect, daemon, context):
    """A handshake that does not come about."""
    client = connect(daemon)
    client.ehlo()
    client.expect(220, "STARTTLS")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.handshake(context)
        client.socket.recv(1)  # TLS 1.3: the client learns of it later
        raise ConnectionError
    client.close()
    daemon.wait_log(f"lost connection after STARTTLS from {CLIENT}$")
    daemon.wait_log(f"disconnect from {CLIENT} ehlo=1 starttls=0/1 commands=1/2$")


def test_no_shared_cipher(gatepost, connect):
    context = tls_context(maximum=ssl.TLSVersion.TLSv1_2, ciphers="AES128-SHA256")
    failed_handshake(connect, gatepost, context)
    gatepost.wait_log(f"SSL_accept error from {CLIENT}: ")
    gatepost.wait_log(r"warning: TLS library problem: error:\S+:.*:no shared cipher:")


def test_unsupported_protocol(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, smtpd_tls_protocols=">=TLSv1.2")
    context = tls_context(maximum=ssl.TLSVersion.TLSv1_1)
    failed_handshake(connect, daemon, context)
    daemon.wait_log(r"warning: TLS library problem: error:\S+:.*:unsupported protocol:")


def test_alert_from_the_client(gatepost, connect):
    # With TLS 1.3, OpenSSL sends this alert in cleartext, which BoringSSL does not read.
    context = tls_context(maximum=ssl.TLSVersion.TLSv1_2)
    context.verify_mode = ssl.CERT_REQUIRED
    failed_handshake(connect, gatepost, context)
    gatepost.wait_log(r"warning: TLS library problem: error:\S+:.*alert unknown ca:")


def test_http_instead_of_tls(gatepost, connect):
    client = connect(gatepost)
    client.ehlo()
    client.expect(220, "STARTTLS")
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    client.rest()
    gatepost.wait_log(r"TLS library problem: error:\S+:.*:http request:")


def test_lost_connection_within_the_handshake(gatepost, connect):
    client = connect(gatepost)
    client.ehlo()
    client.expect(220, "STARTTLS")
    client.close()
    gatepost.wait_log(f"SSL_accept error from {CLIENT}: lost connection$")


FORGERIES = [
    b"\rNov 22 01:30:54 host gatepost/smtpd[1]: connect from forged[1.2.3.4]",
    b"\x1b[2J\x1b[31mred", b"\x00NUL", b"\x7f\x80\xff\xc3\xa4", b"%s%n%x%d", b"\tx\x0b\x0c\x08y",
    b"x" * 5000, b"unknown[1.2.3.4] ehlo=1",
]


@pytest.mark.parametrize("text", FORGERIES, ids=lambda text: repr(text[:20]))
def test_clients_cannot_write_the_log(gatepost, connect, text):
    """Through everything that ends up in a line: pipelined bytes, names, commands, long lines."""
    for commands in ([b"EHLO " + text], [b"HELO " + text], [text], [b"EHLO x", b"STARTTLS " + text],
                     [b"EHLO x", b"MAIL FROM:<" + text + b">"], [b"EHLO x", b"NOOP\r\n" + text],
                     [b"EHLO x", b"DATA\n" + text + b"\nDATA"], [b"x" * 9000 + text]):
        client = connect(gatepost)
        client.send(b"\r\n".join(commands[:1]) + b"\r\n")
        client.line()
        for command in commands[1:]:
            client.send(command + b"\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()
    last = connect(gatepost, "127.0.0.3")
    last.quit()
    gatepost.wait_log(r"disconnect from unknown\[127\.0\.0\.3\]")
    for line in check_lines(gatepost):
        record = line.split("]: ", 1)[1]
        assert not record.startswith("connect from forged")
        assert not (record.startswith("disconnect from") and "1.2.3.4" in record)


def test_syslog_name(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(syslog_name="front/mx1")
    daemon._is_ready = lambda: "front/mx1/master[" in daemon.log()
    daemon.start()
    connect(daemon).quit()
    daemon.wait_log(r" front/mx1/smtpd\[\d+\]: disconnect from ")
    assert "gatepost/" not in daemon.log().replace("configuration /", "")


def test_log_of_many_sessions_is_whole(gatepost, connect):
    """Two workers and the master write at once: no line is torn."""
    for _ in range(100):
        connect(gatepost).quit()
    wait_until(lambda: gatepost.log().count("]: disconnect from") == 100, "100 sessions' end")
    lines = check_lines(gatepost)
    assert sum("]: connect from" in line for line in lines) == 100


def test_terminal(make_gatepost, backend, directory):
    """Without maillog_file and on a terminal, the log is there to be read."""
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(maillog_file="")
    master, slave = os.openpty()
    daemon.process = subprocess.Popen(
        [os.environ["GATEPOST"], "-c", daemon.directory, "run"], stdin=subprocess.DEVNULL,
        stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    text = b""
    while b"daemon started" not in text:
        text += os.read(master, 4096)
    daemon.stop()
    os.close(master)
    assert b"gatepost/master[%d]: daemon started -- version" % daemon.process.pid in text
    assert HOSTNAME.encode() not in text.split(b"daemon started")[0]
