"""tls_server_sni_maps: several names, each with its chains; any other name gets the usual ones."""

import ssl

import pytest

from harness import pki
from harness.client import Client, tls_context
from harness.daemon import HOSTNAME
from harness.table import ask_policy, in_directory, said

NAMES = ("one.example", "two.example", ".below.example")


@pytest.fixture(name="chains", scope="module")
def make_chains():
    """What each name has, by key type."""
    return {name: {kind: pki.self_signed(name.lstrip("."), kind, [f"{'*' * name.startswith('.')}{name}"])
                   for kind in ("ecdsa", "rsa")} for name in (HOSTNAME, *NAMES)}


def write_chains(directory, chains, name, kinds):
    """The chain files of a name, as tls_server_sni_maps wants them."""
    return " ".join(pki.write(directory, f"{name}-{kind}.pem", chains[name][kind].chain_file)
                    for kind in kinds)


@pytest.fixture
def configured(make_gatepost, backend, directory, chains):
    """configured(map type): a daemon that is not started. one.example has both kinds of key, two
    and the rest only RSA ones, everything else ECDSA."""
    def make(kind="inline", **parameters):
        entries = {"one.example": write_chains(directory, chains, "one.example", ("ecdsa", "rsa")),
                   "two.example": write_chains(directory, chains, "two.example", ("rsa",)),
                   ".below.example": write_chains(directory, chains, ".below.example", ("rsa",))}
        if kind == "inline":
            maps = "inline:{" + ", ".join(f"{{ {n} = {files} }}" for n, files in entries.items()) + "}"
        else:
            path = pki.write(directory, "sni", b"# names\n", *(
                f"{n}  {files.replace(' ', ',')}\n".encode() for n, files in entries.items()))
            maps = "texthash:" + path
        main = pki.write(directory, "main.pem", chains[HOSTNAME]["ecdsa"].chain_file)
        return make_gatepost(backend.endpoint, start=False, tls_server_sni_maps=maps,
                             smtpd_tls_chain_files=main, smtpd_tls_cert_file="",
                             smtpd_tls_key_file="", **parameters)
    return make


def presented(daemon, name, context=None):
    """The certificate for a client that asks for this name."""
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        context = context or tls_context()
        client.socket = context.wrap_socket(client.socket, server_hostname=name)
        client.ehlo()
        return client.socket.getpeercert(binary_form=True)


EXPECTED = [("one.example", "one.example", "ecdsa"), ("ONE.Example", "one.example", "ecdsa"),
            ("two.example", "two.example", "rsa"), ("x.below.example", ".below.example", "rsa"),
            ("a.b.below.example", ".below.example", "rsa"), ("below.example", HOSTNAME, "ecdsa"),
            ("xbelow.example", HOSTNAME, "ecdsa"), ("three.example", HOSTNAME, "ecdsa"),
            (HOSTNAME, HOSTNAME, "ecdsa"), (None, HOSTNAME, "ecdsa")]


@pytest.mark.parametrize("kind", ["inline", "texthash"])
def test_each_name_has_its_chain(configured, chains, kind):
    daemon = configured(kind).start()
    for asked, name, key in EXPECTED:
        assert presented(daemon, asked) == chains[name][key].der, asked


def test_the_key_that_the_client_can_verify(configured, chains):
    daemon = configured().start()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1):
        rsa_only = tls_context(version, version, ciphers="aRSA:@SECLEVEL=0")
        assert presented(daemon, "one.example", rsa_only) == chains["one.example"]["rsa"].der
        assert presented(daemon, "two.example", rsa_only) == chains["two.example"]["rsa"].der
        with pytest.raises((ssl.SSLError, ConnectionError)):  # the usual chain is ECDSA alone
            presented(daemon, "three.example", rsa_only)


def test_log(configured):
    daemon = configured().start()
    presented(daemon, "one.example")
    daemon.wait_log(r"TLS connection established from unknown\[127\.0\.0\.2\] to one\.example: TLSv1")
    presented(daemon, "three.example")
    daemon.wait_log(r"TLS SNI three\.example from unknown\[127\.0\.0\.2\] not matched, using default "
                    r"chain$")
    presented(daemon, None)
    daemon.wait_log(r"TLS connection established from unknown\[127\.0\.0\.2\]: TLSv1")


def test_policy_command(configured):
    daemon = configured()
    for asked, name, _ in EXPECTED:
        options = ("--sni", asked) if asked else ()
        subjects = {chain["subject"] for chain in
                    ask_policy(daemon, "192.0.2.1", *options)["certificates"]}
        assert subjects == {"CN=" + name.lstrip(".")}, asked


def test_sessions_are_not_carried_from_one_name_to_another(configured):
    daemon = configured(gatepost_workers="1").start()
    context = tls_context(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)

    def session_of(name, session=None):
        with Client(daemon.address, "127.0.0.2") as client:
            client.ehlo()
            client.expect(220, "STARTTLS")
            client.socket = context.wrap_socket(client.socket, server_hostname=name, session=session)
            client.ehlo()
            return client.socket.session, client.socket.session_reused

    session, _ = session_of("one.example")
    assert session_of("one.example", session)[1]
    assert not session_of("two.example", session)[1]
    assert not session_of("three.example", session)[1]


def test_check_looks_at_every_chain(configured, directory):
    daemon = configured()
    bad = pki.self_signed("other.example", "rsa", end=pki.NOW - pki.DAY)
    path = pki.write(directory, "bad.pem", bad.chain_file)
    daemon.write_config(tls_server_sni_maps=f"inline:{{ {{ named.example = {path} }} }}")
    text = said(in_directory(daemon, "check"))
    assert "does not cover named.example" in text
    assert "CN=other.example: expired" in text


@pytest.mark.parametrize("maps, message", [
    ("inline:{ { one.example = /nonexistent.pem } }", "/nonexistent.pem"),
    ("inline:{ { one.example } }", "chain files"),
    ("inline:{ { not_ok!.example = x } }", "no host name"),
    ("hash:/etc/postfix/sni", "texthash"),
    ("texthash:/nonexistent", "/nonexistent"),
    ("inline:{ { a.example = MAIN }, { A.example = MAIN } }", "twice")])
def test_mistakes(configured, directory, maps, message):
    daemon = configured()
    daemon.write_config(tls_server_sni_maps=maps.replace("MAIN", directory + "/main.pem"))
    result = in_directory(daemon, "check")
    assert result.returncode == 1 and message in said(result), result
    result = in_directory(daemon, "run")
    assert result.returncode == 78, result
