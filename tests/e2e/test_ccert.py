"""Client certificates: asked for, required, recognised by fingerprint, trusted through a CA."""

import os
import re
import ssl
import subprocess

import pytest

from harness import pki
from harness.client import Client, Closed, tls_context
from harness.daemon import HOSTNAME
from harness.headers import split_delivered
from harness.table import in_directory, said, use_table

VERSIONS = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
ASK, REQUIRE, MATCH, NO = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
MISSING = f"421 4.7.1 {HOSTNAME} Error: No client certificate presented"
UNTRUSTED = f"421 4.7.1 {HOSTNAME} Error: Client certificate not trusted"


@pytest.fixture(name="pki_of", scope="module")
def make_pki():
    """Certificates by name."""
    root = pki.Authority("Root CA")
    middle = pki.Authority("Middle CA", root)
    return {"root": root, "middle": middle,
            "trusted": middle.issue("good.example", usage="client"),
            "rsa": middle.issue("good.example", "rsa", usage="client"),
            "expired": middle.issue("old.example", usage="client", end=pki.NOW - pki.DAY),
            "server": middle.issue("server.example", usage="server"),
            "unknown": pki.self_signed("unknown.example", usage="client"),
            "stranger": pki.Authority("Other CA").issue("stranger.example", usage="client")}


@pytest.fixture
def daemon(make_gatepost, backend, directory, pki_of):
    """With a line for each demand."""
    fingerprints = f"{'AB:' * 31}CD|{pki_of['unknown'].fingerprint}"
    instance = make_gatepost(backend.endpoint, start=False, smtpd_tls_fingerprint_digest="sha256",
                             smtpd_tls_CAfile=pki.write(directory, "ca.pem", pki_of["root"].pem,
                                                        mode=0o644))
    return use_table(instance, [f"{ASK} may ccert=ask", f"{REQUIRE} encrypt ccert=require",
                                f"{MATCH} encrypt match={fingerprints}", f"{NO} may"]).start()


def client_context(directory, issued=None, version=None):
    """A context that presents a certificate."""
    context = tls_context(version, version)
    if issued:
        context.load_cert_chain(pki.write(directory, "client.pem", issued.key_pem, issued.chain))
    return context


def reply_to_ehlo(daemon, source, context):
    """The reply to EHLO within TLS; after 421 the connection must be closed."""
    with Client(daemon.address, source) as client:
        client.ehlo()
        client.starttls(context)
        reply = client.command("EHLO client.example")
        if reply.code == 421:
            assert client.rest() == b""
        return reply


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name, word", [(None, "Anonymous"), ("trusted", "Trusted"),
                                        ("rsa", "Trusted"), ("unknown", "Untrusted"),
                                        ("expired", "Untrusted"), ("stranger", "Untrusted"),
                                        ("server", "Untrusted")])
def test_asked_for(daemon, directory, pki_of, name, word, version):
    """Whatever is presented, or nothing: the mail is taken, and the log says what it was."""
    context = client_context(directory, name and pki_of[name], version)
    assert reply_to_ehlo(daemon, ASK, context).code == 250
    line = daemon.wait_log(rf"{word} TLS connection established from unknown\[{ASK}\]: .*$")[0]
    if version == VERSIONS[2] and name:
        assert " client-signature " + ("RSA-PSS (2048 bits)" if name == "rsa" else
                                       "ECDSA (prime256v1)") + " client-digest SHA256" in line
    else:
        assert "client-signature" not in line


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name, answer", [(None, MISSING), ("trusted", None), ("rsa", None),
                                          ("unknown", UNTRUSTED), ("expired", UNTRUSTED),
                                          ("stranger", UNTRUSTED), ("server", UNTRUSTED)])
def test_required(daemon, directory, pki_of, name, answer, version):
    reply = reply_to_ehlo(daemon, REQUIRE,
                          client_context(directory, name and pki_of[name], version))
    if answer is None:
        assert reply.code == 250
        return
    assert reply.text == answer
    why = re.escape(answer.partition("Error: ")[2])
    daemon.wait_log(rf"NOQUEUE: abort: TLS from unknown\[{REQUIRE}\]: {why}$")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name, answer", [(None, MISSING), ("unknown", None), ("trusted", UNTRUSTED),
                                          ("stranger", UNTRUSTED)])
def test_recognised_by_fingerprint(daemon, directory, pki_of, name, answer, version):
    """No CA is asked: the certificate itself was named."""
    reply = reply_to_ehlo(daemon, MATCH, client_context(directory, name and pki_of[name], version))
    assert reply.code == 250 if answer is None else reply.text == answer


def test_fingerprint_of_the_public_key(make_gatepost, backend, directory, pki_of):
    """It outlives the certificate."""
    daemon = use_table(make_gatepost(backend.endpoint, start=False,
                                     smtpd_tls_fingerprint_digest="sha256"),
                       [f"{MATCH} encrypt match={pki_of['unknown'].key_fingerprint.lower()}"]).start()
    assert reply_to_ehlo(daemon, MATCH, client_context(directory, pki_of["unknown"])).code == 250
    assert reply_to_ehlo(daemon, MATCH, client_context(directory, pki_of["trusted"])).code == 421


def test_nobody_else_is_asked(daemon, directory, pki_of):
    for source in (NO, "127.0.0.6"):
        context = client_context(directory, pki_of["trusted"])
        assert reply_to_ehlo(daemon, source, context).code == 250
        daemon.wait_log(rf"Anonymous TLS connection established from unknown\[{source}\]")


def test_authorities_are_named_to_the_client(daemon):
    """A client with several certificates chooses by them."""
    def request(source):
        return subprocess.run(
            ["openssl", "s_client", "-starttls", "smtp", "-bind", f"{source}:0", "-connect",
             f"127.0.0.1:{daemon.port}"], input="QUIT\n", text=True, capture_output=True,
            timeout=30, check=False).stdout
    assert re.search(r"Acceptable client certificate CA names\nCN = Root CA\n", request(ASK))
    assert "No client certificate CA names sent" in request(NO)


def test_the_main_configuration_can_require(make_gatepost, backend, directory, pki_of):
    """smtpd_tls_req_ccert, as in Postfix; a line makes an exception."""
    ca_path = os.path.join(directory, "ca")
    os.mkdir(ca_path)
    pki.write(ca_path, "root.pem", pki_of["root"].pem, mode=0o644)
    subprocess.run(["openssl", "rehash", ca_path], check=True, capture_output=True)
    daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_security_level="encrypt",
                           smtpd_tls_req_ccert="yes", smtpd_tls_CApath=ca_path)
    use_table(daemon, [f"{NO} may ccert=no"]).start()
    assert reply_to_ehlo(daemon, ASK, client_context(directory)).text == MISSING
    assert reply_to_ehlo(daemon, ASK, client_context(directory, pki_of["trusted"])).code == 250
    assert reply_to_ehlo(daemon, NO, client_context(directory)).code == 250


def test_required_only_together_with_encryption(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_security_level="may",
                           smtpd_tls_req_ccert="yes")
    assert "require client certs unless TLS is required" in said(in_directory(daemon, "check"))


@pytest.mark.parametrize("depth, code", [("0", 421), ("1", 250), ("9", 250)])
def test_depth(make_gatepost, backend, directory, pki_of, depth, code):
    """smtpd_tls_ccert_verifydepth = N: up to N + 1 intermediate certificates."""
    second = pki.Authority("Lower CA", pki_of["middle"])
    daemon = make_gatepost(backend.endpoint, smtpd_tls_security_level="encrypt",
                           smtpd_tls_req_ccert="yes", smtpd_tls_ccert_verifydepth=depth,
                           smtpd_tls_CAfile=pki.write(directory, "ca.pem", pki_of["root"].pem,
                                                      mode=0o644))
    issued = second.issue("deep.example", usage="client")
    assert reply_to_ehlo(daemon, ASK, client_context(directory, issued)).code == code


def test_header(make_gatepost, postfix, directory, pki_of, recipient):
    """Received-TLS: says whose certificate it was."""
    address = recipient()
    daemon = make_gatepost(postfix.proxy_endpoint, start=False,
                           smtpd_tls_CAfile=pki.write(directory, "ca.pem", pki_of["root"].pem,
                                                      mode=0o644))
    use_table(daemon, [f"{ASK} may ccert=ask"]).start()
    with Client(daemon.address, ASK) as client:
        client.ehlo()
        client.starttls(client_context(directory, pki_of["trusted"]))
        client.ehlo()
        client.deliver(address, b"Subject: x\r\n\r\nx\r\n")
        client.quit()
    _, ours, _ = split_delivered(postfix.wait_mail(address))
    assert '(Client CN "good.example", Issuer "Middle CA" (verified OK))' in str(ours)


def test_a_key_that_the_client_does_not_have(daemon, directory, pki_of):
    """A certificate alone proves nothing: the handshake fails if the signature is not its key's."""
    wrong = pki.Issued(pki.make_key("ecdsa"), pki_of["trusted"].certificate, pki_of["middle"])
    with pytest.raises(ssl.SSLError):
        client_context(directory, wrong)  # OpenSSL refuses to try
    path = pki.write(directory, "client.pem", pki_of["trusted"].chain)
    key = pki.write(directory, "key.pem", wrong.key_pem)
    result = subprocess.run(
        ["gnutls-cli", "--starttls-proto=smtp", "--no-ca-verification", "--x509certfile", path,
         "--x509keyfile", key, "-p", str(daemon.port6), "::1"], input="EHLO x\r\nQUIT\r\n", text=True,
        capture_output=True, timeout=30, check=False)
    assert result.returncode != 0 or "\n250" not in result.stdout


def test_certificates_that_are_too_much(daemon, directory, pki_of):
    """A chain of hundreds is cut off, and the daemon serves on."""
    context = tls_context()
    context.load_cert_chain(pki.write(directory, "client.pem", pki_of["unknown"].key_pem,
                                      pki_of["unknown"].pem, pki_of["root"].pem * 600))
    with pytest.raises((ssl.SSLError, ConnectionError, Closed)):
        reply_to_ehlo(daemon, ASK, context)
    assert reply_to_ehlo(daemon, ASK, client_context(directory)).code == 250
