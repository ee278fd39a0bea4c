"""What old clients say, and what nobody should say any more: protocols before TLS 1.0, export and
RC4 suites, compression, renegotiation. One daemon, where one peer alone may be old."""

import re
import socket
import subprocess

import pytest

from harness import pki
from harness.client import Client, tls_context
from harness.daemon import HOSTNAME
from harness.hello import (SSL3, TLS1, TLS11, TLS12, TLS13, ask, client_hello, read_answer,
                           sslv2_hello)
from harness.scan import Scanner
from harness.table import use_table
from harness.wait import DEADLINE
from test_clients import run_tool

OLD = "127.0.0.1"  # where tools come from that cannot be told a source address
STRICT = "127.0.0.3"
LENIENT = "may protocols=>=TLSv1 cipherlist=DES-CBC3-SHA:AES128-SHA:ECDHE+AES"
PROTOCOL_VERSION, HANDSHAKE_FAILURE, ILLEGAL_PARAMETER, DECODE_ERROR = 70, 40, 47, 50
RC4, EXPORT = (0x0004, 0x0005), (0x0003, 0x0006, 0x0008, 0x000E, 0x0014, 0x0017, 0x0062, 0x0064)


@pytest.fixture
def daemon(make_gatepost, backend, directory):
    """Lenient to one peer, TLS 1.2 for the rest; certificates of both kinds."""
    chains = [pki.write(directory, f"{kind}.pem", pki.self_signed(HOSTNAME, kind).chain_file)
              for kind in ("rsa", "ecdsa")]
    instance = make_gatepost(backend.endpoint, start=False, smtpd_tls_protocols=">=TLSv1.2",
                             smtpd_tls_chain_files=", ".join(chains), smtpd_tls_cert_file="",
                             smtpd_tls_key_file="")
    return use_table(instance, [f"{OLD} {LENIENT}", "::1 encrypt protocols=>=TLSv1.3"]).start()


def serves(daemon):
    """It is still there and well."""
    with Client(daemon.address, STRICT) as client:
        client.ehlo()
        client.starttls()
        client.ehlo()
        client.quit()


def refused(daemon, hello, source=OLD):
    """The alert that answers these bytes, 0 if it is just closed. It must not be ServerHello."""
    answer = ask(daemon.address, source, hello)
    assert answer.suite is None, answer
    return answer.alert[1] if answer.alert else 0


def gnutls(daemon, priority, host="127.0.0.1", port=None):
    """gnutls-cli with these priorities; (exit status, output)."""
    return run_tool("gnutls-cli", "--starttls-proto=smtp", "--no-ca-verification", "--priority",
                    priority, "-p", port or daemon.port, host, stdin="EHLO x.example\r\nQUIT\r\n")


def test_triple_des_and_tls_1_0(daemon):
    """A client of the Windows 2003 kind, by GnuTLS."""
    priority = "NONE:+VERS-TLS1.0:+RSA:+3DES-CBC:+SHA1:+COMP-NULL:+SIGN-ALL"
    status, output = gnutls(daemon, priority)
    assert status == 0 and "Handshake was completed" in output, output
    daemon.wait_log(r"Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1 with "
                    r"cipher DES-CBC3-SHA \(112/168 bits\)$")
    status, output = gnutls(daemon, priority, "::1", daemon.port6)
    assert status != 0 and "Handshake was completed" not in output, output


def test_rc4_is_refused_even_to_the_old_peer(daemon):
    status, output = gnutls(daemon, "NONE:+VERS-TLS1.0:+RSA:+ARCFOUR-128:+SHA1:+MD5:+COMP-NULL:+SIGN-ALL")
    assert status != 0 and "Handshake was completed" not in output, output
    assert refused(daemon, client_hello(TLS1, RC4)) == HANDSHAKE_FAILURE


@pytest.mark.parametrize("version", ["1", "1_1", "1_2", "1_3"])
@pytest.mark.parametrize("source", ["127.0.0.2", STRICT, "::1"])
def test_openssl(make_gatepost, backend, version, source):
    """openssl s_client from several addresses."""
    daemon = use_table(make_gatepost(backend.endpoint, start=False),
                       ["127.0.0.2 may", f"{STRICT} may protocols=>=TLSv1.2",
                        "::1 encrypt protocols=TLSv1.3"]).start()
    host = f"[::1]:{daemon.port6}" if source == "::1" else f"127.0.0.1:{daemon.port}"
    bind = "[::1]:0" if source == "::1" else f"{source}:0"
    status, output = run_tool("openssl", "s_client", "-starttls", "smtp", "-connect", host, "-bind",
                              bind, "-tls" + version, "-cipher", "DEFAULT@SECLEVEL=0", stdin="QUIT\n")
    allowed = {"127.0.0.2": "1 1_1 1_2 1_3", STRICT: "1_2 1_3", "::1": "1_3"}[source].split()
    if version in allowed:
        assert status == 0 and re.search(r"Cipher is [A-Z]", output), output
        daemon.wait_log(rf"established from unknown\[{re.escape(source)}\]")
    else:
        assert "Cipher is (NONE)" in output and "alert" in output, output


def test_versions_that_are_not_allowed(daemon):
    suites = (0x002F, 0xC013, 0xC02F, 0xC02B)
    assert ask(daemon.address, OLD, client_hello(TLS1, suites)).version == TLS1
    for version in (TLS1, TLS11):
        assert refused(daemon, client_hello(version, suites), STRICT) == PROTOCOL_VERSION
    assert ask(daemon.address, STRICT, client_hello(TLS12, suites)).version == TLS12
    assert refused(daemon, client_hello(TLS13, (0xC02F,))) == HANDSHAKE_FAILURE
    serves(daemon)


def test_ssl_3(daemon):
    suites = (0x000A, 0x002F, 0x0035, 0x0005, 0x00FF)
    for source in (OLD, STRICT):
        assert refused(daemon, client_hello(SSL3, suites), source) == PROTOCOL_VERSION
    daemon.wait_log(r"SSL_accept error from unknown\[127\.0\.0\.1\]: unsupported protocol")
    serves(daemon)


def test_ssl_2(daemon):
    """SSL 2.0 itself; and its hello, in which clients of 2005 asked for TLS 1.0."""
    refused(daemon, sslv2_hello(0x0002, (0x010080, 0x020080, 0x0700C0)))
    refused(daemon, sslv2_hello(SSL3, (0x00000A, 0x010080)))
    answer = ask(daemon.address, OLD, sslv2_hello(TLS1, (0x00000A, 0x00002F, 0x010080)))
    assert answer.version == TLS1 and answer.suite in (0x000A, 0x002F)
    refused(daemon, sslv2_hello(TLS1, (0x00000A, 0x00002F)), STRICT)
    serves(daemon)


@pytest.mark.parametrize("version", [TLS1, TLS11, TLS12])
def test_suites_that_nobody_gets(daemon, version):
    """Export, RC4, anonymous, without encryption, DES, DHE: not even from the lenient line."""
    hopeless = (*RC4, *EXPORT, 0x0001, 0x0002, 0x0009, 0x0018, 0x001B, 0x0034, 0x0033, 0x0039,
                0xC010, 0xC018, 0xC011, 0xC007, 0x0041, 0x0096, 0x0007)
    assert refused(daemon, client_hello(version, hopeless)) == HANDSHAKE_FAILURE
    answer = ask(daemon.address, OLD, client_hello(version, (*hopeless, 0x002F)))
    assert answer.suite == 0x002F


def test_the_old_peer_gets_what_its_line_says(daemon):
    assert set(Scanner(daemon.address, OLD).suites(TLS1)) == {
        "DES-CBC3-SHA", "AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA",
        "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA"}
    assert not Scanner(daemon.address, STRICT).suites(TLS1)
    assert "DES-CBC3-SHA" not in Scanner(daemon.address, STRICT).suites(TLS12)


@pytest.mark.parametrize("version", [TLS1, TLS12])
def test_compression(daemon, version):
    source = OLD if version == TLS1 else STRICT
    answer = ask(daemon.address, source, client_hello(version, (0x002F, 0xC02F), compression=b"\1\0"))
    assert answer.suite is not None and answer.compression == 0
    assert refused(daemon, client_hello(version, (0x002F, 0xC02F), compression=b"\1"), source) in \
        (ILLEGAL_PARAMETER, DECODE_ERROR)


@pytest.mark.parametrize("version", ["-tls1", "-tls1_2"])
def test_renegotiation_is_refused(daemon, version):
    result = subprocess.run(
        ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{daemon.port}", version,
         "-cipher", "DEFAULT@SECLEVEL=0", "-legacy_renegotiation"], input="R\n", text=True, timeout=30,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert "RENEGOTIATING" in result.stdout
    assert re.search(r"no renegotiation|alert number 100", result.stdout), result.stdout
    serves(daemon)


def test_secure_renegotiation_is_announced(daemon):
    """RFC 5746: careful clients want to see it, though none will take place."""
    _, output = run_tool("openssl", "s_client", "-starttls", "smtp", "-connect",
                         f"127.0.0.1:{daemon.port}", "-tls1_2", stdin="QUIT\n")
    assert "Secure Renegotiation IS supported" in output
    assert "Compression: NONE" in output


def test_a_second_hello_in_the_session_ends_it(daemon):
    """TLS 1.3 has no renegotiation: a ClientHello there is a protocol violation."""
    with Client(daemon.address, STRICT) as client:
        client.ehlo()
        client.starttls(tls_context())
        raw = client.socket.detach()
        client.socket = socket.socket(fileno=raw)
        client.socket.settimeout(DEADLINE)
        client.send(client_hello(TLS12, (0xC02F,)))
        assert read_answer(client.socket).suite is None
    serves(daemon)


@pytest.mark.parametrize("data", [b"", b"\x16", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\xff\xff" + b"x" * 70000,
                                  b"\x15\x03\x01\x00\x02\x02\x28", b"EHLO again\r\n", b"\x80\x00",
                                  b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", b"\0" * 600],
                         ids=lambda data: repr(data[:10]))
def test_bytes_that_are_no_hello(daemon, data):
    with Client(daemon.address, OLD) as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        try:
            client.send(data)
            client.socket.shutdown(1)
            assert read_answer(client.socket).suite is None
        except OSError:
            pass  # the server did not read to the end
    serves(daemon)
