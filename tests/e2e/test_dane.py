"""gatepost tlsa and gatepost check --dane, against a real signed zone behind a real validating
resolver, and with Postfix's own DANE client as the judge."""

import hashlib
import re
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import dns, pki
from harness.daemon import HOSTNAME
from harness.table import in_directory, said

RECORD = re.compile(r"^(_\d+\._tcp\.\S+\.) IN TLSA 3 1 1 ([0-9A-F]{64})$", re.M)


def key_digest(issued):
    """What the record of a certificate has."""
    key = issued.certificate.public_key().public_bytes(Encoding.DER,
                                                       PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest().upper()


@pytest.fixture(scope="module")
def middle():
    """An authority below another."""
    return pki.Authority("Middle CA", pki.Authority("Root CA"))


@pytest.fixture
def certificates_of(directory):
    """certificates_of(daemon, issued...): makes these its chains."""
    def use(daemon, *issued):
        path = pki.write(directory, "chains.pem", *(one.chain_file for one in issued))
        daemon.write_config(smtpd_tls_chain_files=path, smtpd_tls_cert_file="",
                            smtpd_tls_key_file="")
        return daemon
    return use


@pytest.fixture
def both(middle):
    """One certificate of each kind."""
    return middle.issue(HOSTNAME), middle.issue(HOSTNAME, "rsa")


@pytest.fixture
def daemon(make_gatepost, backend, certificates_of, both):
    """Not started; with two certificates."""
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(gatepost_listen=f"127.0.0.1:{daemon.port}")
    return certificates_of(daemon, *both)


def tlsa(daemon, *arguments):
    """(the records, all that is said) of gatepost tlsa."""
    result = in_directory(daemon, "tlsa", *arguments)
    assert result.returncode == 0, result
    for line in result.stdout.splitlines():
        assert not line or line.startswith(";") or RECORD.match(line), line
    return RECORD.findall(result.stdout), result.stdout


# gatepost tlsa


def test_records_of_all_certificates(daemon, both):
    records, text = tlsa(daemon)
    name = f"_{daemon.port}._tcp.{HOSTNAME}."
    assert records == [(name, key_digest(one)) for one in both]
    assert "; present: ECDSA (prime256v1), CN=" in text and "; present: RSA (2048 bits)" in text


def test_names_and_ports(daemon, both):
    records, _ = tlsa(daemon, "--port", "25", "--port", "465", "MX1.example.", "mx2.example")
    assert {name for name, _ in records} == \
        {f"_{port}._tcp.{name}." for port in (25, 465) for name in ("mx1.example", "mx2.example")}
    assert {digest for _, digest in records} == {key_digest(one) for one in both}


def test_listeners(make_gatepost, backend, daemon, directory, middle):
    """Each port with what is shown there; a listener without TLS has none to publish."""
    other = middle.issue(HOSTNAME)
    chain = pki.write(directory, "other.pem", other.chain_file)
    daemon.write_config(gatepost_listen="127.0.0.1:2025, { 127.0.0.1:2465, "
                        f"smtpd_tls_wrappermode=yes, smtpd_tls_chain_files={chain} }}, "
                        "{ 127.0.0.1:2587, smtpd_tls_security_level=none }")
    records, text = tlsa(daemon)
    assert [name for name, _ in records] == \
        [f"_{port}._tcp.{HOSTNAME}." for port in (2025, 2025, 2465)]
    assert records[2][1] == key_digest(other)
    assert "port 2587\n; There is no TLS: publish nothing here" in text


def test_names_of_sni(daemon, both, directory, middle):
    other, below = middle.issue("other.example"), middle.issue("below.example")
    daemon.write_config(tls_server_sni_maps="inline:{ other.example=%s, .below.example=%s }" % (
        pki.write(directory, "o.pem", other.chain_file),
        pki.write(directory, "b.pem", below.chain_file)))
    records, text = tlsa(daemon, "--port", "25")
    assert ("_25._tcp.other.example.", key_digest(other)) in records
    assert f"; _25._tcp.NAME.below.example. IN TLSA 3 1 1 {key_digest(below)}\n" in text
    assert [name for name, _ in records] == \
        [f"_25._tcp.{HOSTNAME}."] * 2 + ["_25._tcp.other.example."]
    assert tlsa(daemon, "--port", "25", "a.below.example")[0] == \
        [("_25._tcp.a.below.example.", key_digest(below))]
    assert [digest for _, digest in tlsa(daemon, "--port", "25", "below.example")[0]] == \
        [key_digest(one) for one in both]


def test_coming_certificates(daemon, both, directory, middle):
    coming = middle.issue(HOSTNAME)
    path = pki.write(directory, "coming.pem", coming.pem)
    records, text = tlsa(daemon, "--port", "25", "--next", path)
    assert [digest for _, digest in records] == [key_digest(one) for one in (*both, coming)]
    assert "; coming: ECDSA (prime256v1)" in text and "RFC 7671 section 8.1" in text
    same = pki.write(directory, "same.pem", both[0].pem)
    records, text = tlsa(daemon, "--port", "25", "--next", same)
    assert len(records) == 2 and "It has the key of a present one" in text


@pytest.mark.parametrize("arguments, said_why", [
    (["--next", "/nonexistent"], "/nonexistent"), (["--next", "KEY"], "there is no certificate"),
    (["--port", "0"], "a port is a number"), (["--port", "25x"], "a port is a number"),
    (["not a name"], "a host name"), (["a..b"], "a host name")])
def test_mistakes(daemon, directory, both, arguments, said_why):
    key = pki.write(directory, "key.pem", both[0].key_pem)
    result = in_directory(daemon, "tlsa", *(key if word == "KEY" else word for word in arguments))
    assert result.returncode != 0 and said_why in result.stderr
    assert not RECORD.search(result.stdout)


# gatepost check --dane

needs_dns = pytest.mark.skipif(not dns.is_installed(), reason="knot or unbound is not installed")


@pytest.fixture(scope="module")
def names():
    """The zones and the resolver."""
    servers = dns.PrivateDns()
    try:
        yield servers.start()
    finally:
        servers.stop()


def check(daemon, names, *arguments):
    """(exit status, the lines about DANE) of gatepost check."""
    result = in_directory(daemon, "check", "--resolver", names.address, *arguments)
    return result.returncode, [line for line in said(result).splitlines() if "._tcp." in line]


def record(name, issued):
    """A line of a zone."""
    return f"{name} 120 TLSA 3 1 1 {key_digest(issued)}"


@needs_dns
def test_published(daemon, names, both):
    names.publish([record("_25._tcp.mx", one) for one in both])
    status, lines = check(daemon, names, "--dane", "mx.gatepost.test:25")
    assert status == 0 and len(lines) == 2, lines
    assert all("is published" in line and "info: " in line for line in lines), lines


@needs_dns
def test_what_tlsa_prints_is_what_check_wants(daemon, names):
    """Pasted as it is."""
    text = tlsa(daemon, "--port", "25", "mx.gatepost.test")[1]
    names.publish(text.splitlines())
    status, lines = check(daemon, names, "--dane", "mx.gatepost.test:25")
    assert status == 0 and len([line for line in lines if "is published" in line]) == 2, lines


@needs_dns
def test_listeners_port_is_asked_for(daemon, names, both):
    names.publish([record(f"_{daemon.port}._tcp.mx", one) for one in both])
    status, lines = check(daemon, names, "--dane", "mx.gatepost.test")
    assert status == 0 and f"_{daemon.port}._tcp.mx.gatepost.test" in lines[0], lines


@needs_dns
def test_one_kind_is_missing(daemon, names, both):
    """Clients that get this one do not deliver, though another would fit."""
    names.publish([record("_25._tcp.mx", both[0])])
    status, lines = check(daemon, names, "--dane", "mx.gatepost.test:25")
    assert status == 1
    (wrong,) = [line for line in lines if "error: " in line]
    assert "RSA (2048 bits)" in wrong and f"Publish 3 1 1 {key_digest(both[1])}" in wrong


@needs_dns
def test_none_fits(daemon, names, middle):
    names.publish([record("_25._tcp.mx", middle.issue("former.example"))])
    status, lines = check(daemon, names, "--dane", "mx.gatepost.test:25")
    assert status == 1 and len([line for line in lines if "error: " in line]) == 2, lines
    assert any("is about no certificate that is known here" in line for line in lines)


@needs_dns
@pytest.mark.parametrize("zone, name, word", [
    (dns.SIGNED, "nowhere", "there are no TLSA records"),
    (dns.SIGNED, "mx", "there are no TLSA records")])
def test_nothing_is_published(daemon, names, zone, name, word):
    names.publish([])
    status, lines = check(daemon, names, "--dane", f"{name}.{zone}:25")
    assert status == 0 and len(lines) == 1 and word in lines[0] and "info: " in lines[0], lines


@needs_dns
def test_rollover(daemon, names, both, directory, middle, certificates_of):
    """The order of RFC 7671 section 8.1, and what is said when it is not kept."""
    coming = middle.issue(HOSTNAME)
    arguments = ["--dane", "mx.gatepost.test:25",
                 "--next", pki.write(directory, "coming.pem", coming.pem)]
    certificates_of(daemon, both[0])
    names.publish([record("_25._tcp.mx", both[0])])
    status, lines = check(daemon, names, *arguments)
    assert status == 0
    assert any("warning: " in line and "not published yet" in line and key_digest(coming) in line
               for line in lines), lines
    names.publish([record("_25._tcp.mx", both[0]), record("_25._tcp.mx", coming)])
    status, lines = check(daemon, names, *arguments)
    assert status == 0 and not any("warning: " in line for line in lines), lines
    assert any("coming certificate" in line and "is published" in line for line in lines)
    names.publish([record("_25._tcp.mx", coming)])
    status, lines = check(daemon, names, *arguments)
    assert status == 1
    assert any("error: " in line and "only the coming one has one" in line for line in lines), lines


@needs_dns
def test_not_signed(daemon, names, both):
    names.publish([record("_25._tcp.mx", one) for one in both], dns.UNSIGNED)
    status, lines = check(daemon, names, "--dane", "mx.unsigned.test:25")
    assert status == 0
    assert any("warning: " in line and "not signed with DNSSEC" in line for line in lines), lines
    assert len([line for line in lines if "is published" in line]) == 2


@needs_dns
def test_wrong_signatures(daemon, names, both):
    names.publish([record("_25._tcp.mx", one) for one in both], dns.BOGUS)
    status, lines = check(daemon, names, "--dane", "mx.bogus.test:25")
    assert status == 1 and "the resolver cannot find out (code 2" in lines[0], lines


@needs_dns
def test_every_form_of_record(daemon, names, both, middle, certificates_of):
    """All that SMTP clients may use fits; the rest is named."""
    der, key = both[0].der, both[0].certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    issuer = middle.certificate.public_bytes(Encoding.DER)
    certificates_of(daemon, both[0])
    for fields in [f"3 0 0 {der.hex()}", f"3 1 0 {key.hex()}",
                   f"3 0 1 {hashlib.sha256(der).hexdigest()}",
                   f"3 0 2 {hashlib.sha512(der).hexdigest()}",
                   f"3 1 2 {hashlib.sha512(key).hexdigest()}",
                   f"2 0 1 {hashlib.sha256(issuer).hexdigest()}"]:
        names.publish([f"_25._tcp.mx 60 TLSA {fields}"])
        status, lines = check(daemon, names, "--dane", "mx.gatepost.test:25")
        assert status == 0 and "is published" in lines[0], (fields[:20], lines)
    for fields in [f"1 1 1 {hashlib.sha256(key).hexdigest()}", "3 2 1 " + "00" * 32,
                   "3 1 9 00"]:
        names.publish([f"_25._tcp.mx 60 TLSA {fields}"])
        status, lines = check(daemon, names, "--dane", "mx.gatepost.test:25")
        assert status == 0 and f"the record {fields[:5]}" in lines[0], lines
        assert "cannot be used for SMTP" in lines[0] and "none of the records" in lines[1], lines
    names.publish([f"_25._tcp.mx 60 TLSA 2 0 1 {hashlib.sha256(der).hexdigest()}"])
    assert check(daemon, names, "--dane", "mx.gatepost.test:25")[0] == 1


@needs_dns
def test_records_without_tls(daemon, names, both):
    names.publish([record("_25._tcp.mx", both[0])])
    daemon.write_config(smtpd_tls_security_level="none")
    status, lines = check(daemon, names, "--dane", "mx.gatepost.test:25")
    assert status == 1 and any("there are records, but no TLS" in line for line in lines), lines


def test_no_resolver(daemon):
    """That is no mistake of the configuration."""
    result = in_directory(daemon, "check", "--resolver", "127.0.0.1:1", "--dane", HOSTNAME)
    assert result.returncode == 0
    assert re.search(r"warning: _\d+\._tcp\.\S+: not compared: there is no resolver", said(result))


@pytest.mark.parametrize("arguments", [
    ["--dane", "a b"], ["--dane", "mx.example:"], ["--dane", "mx.example:70000"],
    ["--resolver", "x", "--dane", "a.example"], ["--resolver", "127.0.0.1:", "--dane", "a.example"],
    ["--next", "x"], ["--resolver", "127.0.0.1"], ["mx.example"]])
def test_wrong_arguments(daemon, arguments):
    result = in_directory(daemon, "check", *arguments)
    assert result.returncode == 64, result


@needs_dns
@pytest.mark.slow  # two daemons, three sessions
def test_postfix_verifies_what_tlsa_prints(daemon, names):
    """posttls-finger(1) with DANE: verified with the records that gatepost prints, with both
    certificates, and not with others."""
    daemon.start()
    text = tlsa(daemon, f"front.{dns.SIGNED}")[1]

    def finger(*options):
        command = ["posttls-finger", "-c", "-l", "dane-only", "-L", "summary", *options,
                   f"[front.{dns.SIGNED}]:{daemon.port}"]
        result = subprocess.run(names.with_resolver(*command), capture_output=True, text=True,
                                timeout=60, check=False)
        return result.stdout + result.stderr

    names.publish(text.splitlines())
    for options in ([], ["-o", "tls_medium_cipherlist=aRSA:@STRENGTH", "-p", "!TLSv1.3"]):
        said_by_postfix = finger(*options)
        assert f"Verified TLS connection established to front.{dns.SIGNED}" in said_by_postfix, \
            said_by_postfix
    names.publish([f"_{daemon.port}._tcp.front 60 TLSA 3 1 1 {'AB' * 32}"])
    assert "Verified TLS connection" not in finger()
