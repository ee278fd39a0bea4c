"""Why a handshake failed, in words, as real clients make it fail: the log has Postfix's line, and
one that an operator understands."""

import itertools
import os
import re
import socket
import ssl
import subprocess

import pytest

from harness import pki
from harness.client import Client, tls_context
from harness.hello import SSL3, TLS1, TLS12, client_hello, read_answer, sslv2_hello
from harness.table import use_table
from test_clients import run_tool

STRICT = {"smtpd_tls_protocols": ">=TLSv1.2", "smtpd_tls_ciphers": "high",
          "tls_high_cipherlist": "ECDHE+AESGCM", "tls_eecdh_auto_curves": "X25519 prime256v1"}
MAIN = "this peer's policy (main configuration)"
_sources = (f"127.0.1.{number}" for number in itertools.cycle(range(1, 255)))


@pytest.fixture
def daemon(make_gatepost, backend):
    """TLS 1.2 and ECDHE for everybody, with an ECDSA certificate."""
    return make_gatepost(backend.endpoint, **STRICT)


def reason(daemon, source, what="TLS handshake with", how="failed"):
    """What the log says about this client, after Postfix's own line."""
    found = daemon.wait_log(rf"{what} unknown\[{re.escape(source)}\] {how}: (.*); level (\S+)")
    if how == "failed":
        log = daemon.log()
        own = log.index(f"SSL_accept error from unknown[{source}]: ")
        assert own < log.index(f"TLS handshake with unknown[{source}] failed: ")
    return found[1]


def openssl(daemon, source, *options, stdin="QUIT\n"):
    """openssl s_client, which must not come through unless it says so."""
    return run_tool("openssl", "s_client", "-starttls", "smtp", "-connect",
                    f"127.0.0.1:{daemon.port}", "-bind", f"{source}:0", *options, stdin=stdin)[1]


@pytest.mark.parametrize("options, text", [
    (["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], f"offers TLS 1.0 at most; {MAIN} needs TLS 1.2"),
    (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], f"offers TLS 1.1 at most; {MAIN} needs TLS 1.2"),
    (["-tls1_2", "-cipher", "kRSA+AES@SECLEVEL=0"],
     f"offers only RSA key exchange; {MAIN} needs ECDHE"),
    (["-tls1_2", "-cipher", "DHE+AES:kRSA+AES"],
     f"offers only DHE and RSA key exchange; {MAIN} needs ECDHE"),
    (["-tls1_2", "-cipher", "ECDHE+CAMELLIA:ECDHE+CHACHA20"],
     f"offers only ChaCha20 and Camellia; {MAIN} needs AES-256-GCM or AES-128-GCM"),
    (["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"],
     "offers only TLS_AES_128_CCM_SHA256; TLS 1.3 here needs AES-GCM or ChaCha20"),
    (["-groups", "P-384:X448"],
     f"offers none of the groups X25519 and P-256 of {MAIN}, only P-384 and X448"),
    (["-tls1_2", "-groups", "P-521"],
     f"offers none of the groups X25519 and P-256 of {MAIN}, only P-521"),
    (["-sigalgs", "RSA+SHA256:RSA-PSS+SHA256"],
     "cannot verify ECDSA and no RSA certificate is configured"),
    (["-tls1_2", "-cipher", "aRSA+ECDHE"],
     "cannot verify ECDSA and no RSA certificate is configured"),
    (["-alpn", "h2,http/1.1"], "wants to speak h2, http/1.1 (ALPN), not smtp"),
    (["-verify_return_error"], "refused our certificate: unknown CA (alert)"),
    (["-tls1_2", "-verify_return_error"], "refused our certificate: unknown CA (alert)"),
    (["-tls1_2", "-fallback_scsv"], "fell back to TLS 1.2 (TLS_FALLBACK_SCSV) after another "
     f"attempt failed; {MAIN} allows TLS 1.3"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_openssl(daemon, options, text):
    source = next(_sources)
    output = openssl(daemon, source, *options)
    assert reason(daemon, source) == text, output
    assert f"SSL_accept error from unknown[{source}]: " in daemon.log()
    assert "TLS library problem: error:" in daemon.log()


@pytest.mark.parametrize("priority, text", [
    ("NONE:+VERS-TLS1.0:+RSA:+3DES-CBC:+SHA1:+COMP-NULL:+SIGN-ALL",
     f"offers TLS 1.0 at most; {MAIN} needs TLS 1.2"),
    ("NONE:+VERS-TLS1.2:+RSA:+3DES-CBC:+ARCFOUR-128:+SHA1:+MD5:+COMP-NULL:+SIGN-ALL",
     f"offers only RSA key exchange; {MAIN} needs ECDHE"),
    ("NONE:+VERS-TLS1.2:+ECDHE-RSA:+ECDHE-ECDSA:+3DES-CBC:+ARCFOUR-128:+SHA1:+COMP-NULL:+SIGN-ALL:"
     "+CURVE-ALL", f"offers only 3DES and RC4; {MAIN} needs AES-256-GCM or AES-128-GCM"),
    ("NORMAL:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-FFDHE2048",
     f"offers none of the groups X25519 and P-256 of {MAIN}, only P-521 and ffdhe2048"),
])
def test_gnutls(daemon, priority, text):
    output = run_tool("gnutls-cli", "--starttls-proto=smtp", "--no-ca-verification", "--priority",
                      priority, "-p", daemon.port, "127.0.0.1", stdin="EHLO x\r\nQUIT\r\n")[1]
    assert reason(daemon, "127.0.0.1") == text, output


def without_directory(text):
    """The reason has room for the end of a long path."""
    return re.sub(r"\([^()]*/tls_policy.cidr", "(tls_policy.cidr", text)


def test_the_line_that_applied(make_gatepost, backend):
    """Its file and number, and its level."""
    daemon = use_table(make_gatepost(backend.endpoint, start=False),
                       ["# exceptions", "127.0.1.0/24 encrypt protocols=>=TLSv1.3"]).start()
    source = next(_sources)
    openssl(daemon, source, "-tls1_2")
    assert without_directory(reason(daemon, source)) == \
        "offers TLS 1.2 at most; this peer's policy (tls_policy.cidr, line 2) needs TLS 1.3"
    place = f"{daemon.path('tls_policy.cidr')}, line 2"
    source = next(_sources)
    start(daemon, source, b"EHLO again\r\n")
    daemon.wait_log(rf"unknown\[{source}\] failed: spoke SMTP .*; level encrypt, "
                    rf"{re.escape(place)}$")


def start(daemon, source, data):
    """STARTTLS, these bytes, and the end of what is sent; waits until the server has closed."""
    client = Client(daemon.address, source)
    client.ehlo()
    client.expect(220, "STARTTLS")
    client.send(data)
    client.socket.shutdown(socket.SHUT_WR)
    client.rest()


@pytest.mark.parametrize("data, text", [
    (b"EHLO again\r\n", "spoke SMTP where TLS was expected (EHLO)"),
    (b"MAIL FROM:<a@client.example>\r\n", "spoke SMTP where TLS was expected (MAIL)"),
    (b"GET / HTTP/1.0\r\n\r\n", "spoke HTTP where TLS was expected (GET)"),
    (b"\0" * 40, "sent bytes that are not TLS where TLS was expected"),
    (b"", "closed without a word after STARTTLS"),
    (client_hello(TLS12, (0xC02B,))[:40], "closed within its ClientHello"),
    (client_hello(TLS1, (0x0005, 0x000A)), f"offers TLS 1.0 at most; {MAIN} needs TLS 1.2"),
    (client_hello(SSL3, (0x0005, 0x000A)), f"offers SSL 3.0 at most; {MAIN} needs TLS 1.2"),
    (client_hello(TLS12, (0x0005, 0x000A)), f"offers only RSA key exchange; {MAIN} needs ECDHE"),
    (client_hello(TLS12, (0xC007, 0xC008, 0xC009)),
     f"offers only AES-128-CBC, 3DES and RC4; {MAIN} needs AES-256-GCM or AES-128-GCM"),
    (sslv2_hello(0x0002, (0x010080, 0x020080)), f"offers SSL 2.0 only; {MAIN} needs TLS 1.2"),
    (sslv2_hello(TLS1, (0x00000A, 0x00002F)), f"offers TLS 1.0 at most; {MAIN} needs TLS 1.2"),
    (client_hello(TLS12, (0xC02B,), compression=b"\1"), "offers no connection without compression"),
    (b"\x15\x03\x01\x00\x02\x02\x28", "refused to go on after STARTTLS: handshake failure (alert)"),
    (client_hello(TLS12, (0xC02B,)), "closed after ServerHello (tickets? certificate?)"),
], ids=lambda value: value.split(":")[0] if isinstance(value, str) else "")  # no random bytes
def test_bytes(daemon, data, text):
    source = next(_sources)
    start(daemon, source, data)
    assert reason(daemon, source) == text


def test_swaks_goes_after_starttls(daemon):
    source = next(_sources)
    output = run_tool("swaks", "--server", f"127.0.0.1:{daemon.port}", "--local-interface", source,
                      "--tls", "--drop-after-send", "STARTTLS", "--to", "r@gatepost.test")[1]
    # It may have the 220 in its buffer yet when it closes, and then resets the connection.
    assert reason(daemon, source) in (
        "closed without a word after STARTTLS",
        "lost the connection after STARTTLS: Connection reset by peer"), output


def test_a_library_that_does_not_know_the_authority(daemon):
    """The alert is the client's answer to the certificate."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        source = next(_sources)
        context = ssl.create_default_context()
        context.maximum_version = version
        with Client(daemon.address, source) as client:
            client.ehlo()
            with pytest.raises(ssl.SSLCertVerificationError):
                client.starttls(context)
        assert reason(daemon, source) == "refused our certificate: unknown CA (alert)"


def test_timeouts(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, smtpd_starttls_timeout="1s", **STRICT)
    cases = {b"": "said nothing in time after STARTTLS",
             b"\x16\x03\x01\x01": "said nothing in time but a part of its ClientHello",
             client_hello(TLS12, (0xC02B,)): "said nothing in time after ServerHello"}
    clients = {}
    for data in cases:
        source = next(_sources)
        clients[source] = Client(daemon.address, source)
        clients[source].ehlo()
        clients[source].expect(220, "STARTTLS")
        clients[source].send(data)
    for (source, client), text in zip(clients.items(), cases.values()):
        assert reason(daemon, source) == text
        client.close()


def test_smtp_on_the_port_for_tls(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, smtpd_tls_wrappermode="yes")
    sources = [next(_sources), next(_sources)]
    with Client(daemon.address, sources[0], greeting=False) as client:
        client.send(b"EHLO client.example\r\n")
        client.rest()
    assert reason(daemon, sources[0]) == "spoke SMTP where TLS was expected (EHLO)"
    with Client(daemon.address, sources[1], greeting=False) as client:
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()
    assert reason(daemon, sources[1]) == "closed without a word after CONNECT"


def test_client_certificates(make_gatepost, backend, directory):
    authorities = pki.write(directory, "ca.pem", pki.Authority("Root CA").pem, mode=0o644)
    daemon = use_table(make_gatepost(backend.endpoint, start=False, smtpd_tls_CAfile=authorities),
                       ["127.0.1.0/24 encrypt ccert=require",
                        f"127.0.2.0/24 encrypt match={'AB:' * 31}CD"]).start()
    unknown = pki.self_signed("unknown.example", usage="client")
    context = tls_context()
    context.load_cert_chain(pki.write(directory, "client.pem", unknown.key_pem, unknown.chain))
    cases = [("127.0.1.1", tls_context(),
              "showed no client certificate; this peer's policy (tls_policy.cidr, line 1) demands "
              "one"),
             ("127.0.1.2", context,
              r"its client certificate is not trusted: .*; this peer's policy "
              r"\(tls_policy.cidr, line 1\) demands one of a known authority"),
             ("127.0.2.1", context, "its client certificate's fingerprint is not in the list; "
              "this peer's policy (tls_policy.cidr, line 2) has match=")]
    for source, client_side, text in cases:
        with Client(daemon.address, source) as client:
            client.ehlo()
            client.starttls(client_side)
            assert client.command("EHLO client.example").code == 421
        said = without_directory(reason(daemon, source, "TLS session with", "refused"))
        assert said == text or re.fullmatch(text, said)
        assert f"SSL_accept error from unknown[{source}]" not in daemon.log()


def test_renegotiation(daemon):
    source = next(_sources)
    result = subprocess.run(
        ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{daemon.port}",
         "-bind", f"{source}:0", "-tls1_2", "-legacy_renegotiation"], input="R\n", text=True,
        timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert "RENEGOTIATING" in result.stdout
    assert reason(daemon, source, "TLS session with", "broken") == \
        "asked for renegotiation, which is never granted"


def test_a_client_that_comes_through_is_not_spoken_of(daemon, connect):
    client = connect(daemon)
    client.ehlo()
    client.starttls()
    client.ehlo()
    client.quit()
    daemon.wait_log(r"disconnect from unknown\[127\.0\.0\.2\]")
    assert not re.search(r"TLS (handshake|session) with", daemon.log())


def test_a_hello_that_is_answered(daemon):
    """The answer was read: the client knows more than the server when it goes."""
    source = next(_sources)
    with Client(daemon.address, source) as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        client.send(client_hello(TLS12, (0xC02B,)))
        assert read_answer(client.socket).suite == 0xC02B
    assert reason(daemon, source) == "closed after ServerHello (tickets? certificate?)"


def test_the_manual_tells_what_to_do_about_each_kind():
    root = os.path.join(os.path.dirname(__file__), "../..")
    with open(os.path.join(root, "tls/handshake_reasons.def"), encoding="ascii") as file:
        kinds = re.findall(r'^REASON\(\w+, "(\w+)"\)', file.read(), re.M)
    with open(os.path.join(root, "packaging/man/gatepost_failures.7"), encoding="ascii") as file:
        documented = re.findall(r"^\.It Cm (\w+)\n.+\n(?:.+\n)*?\.Pp\n(?:What to do:)", file.read(), re.M)
    assert len(kinds) > 10
    assert kinds == documented
