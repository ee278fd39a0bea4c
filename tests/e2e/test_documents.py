"""Four published Postfix configurations (fixtures/postfix-s0 to -s3): each is imported, runs, and
offers exactly what it is meant to offer."""

import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from harness import pki
from harness.client import Client
from harness.daemon import HOSTNAME, config_text, run_command
from harness.hello import SSL3, TLS12, ask, client_hello
from harness.scan import SUITES, TLS13_SUITES, Scanner
from test_policy_agreement import orders

FIXTURES = os.path.join(os.path.dirname(__file__), "fixtures")
PROTOCOLS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
# All that is left of HIGH in BoringSSL with triple DES taken away, strongest first.
STRONGEST_FIRST = [
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA",
    "AES256-GCM-SHA384", "AES256-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA",
    "AES128-GCM-SHA256", "AES128-SHA"]
LEVELS = {"s0": "none", "s1": "encrypt", "s2": "may", "s3": "may"}
SERVER_ORDER = {"s0", "s1", "s2"}
GROUPS = {"s1": ["x25519", "secp521r1", "secp384r1", "secp256r1"]}
USUAL_GROUPS = ["x25519", "secp256r1", "secp384r1", "secp521r1"]


def import_fixture(name):
    """gatepost import of a fixture."""
    return run_command("import", os.path.join(FIXTURES, "postfix-" + name))


@pytest.fixture
def imported(make_gatepost, backend, directory):
    """imported(name): a daemon with the imported configuration, not started: of that, nothing is
    changed but where it listens, where its files are, and the certificates."""
    def make(name):
        result = import_fixture(name)
        assert result.returncode == 0, result
        paths = {}
        for kind in ("rsa", "ecdsa"):
            issued = pki.self_signed(HOSTNAME, kind)
            paths[kind] = (pki.write(directory, kind + ".pem", issued.pem),
                           pki.write(directory, kind + ".key", issued.key_pem))
        daemon = make_gatepost(backend.endpoint, start=False)
        own = {name: value for name, value in daemon.parameters.items()
               if not name.startswith("smtpd_tls_")}
        own |= {"smtpd_tls_cert_file": paths["rsa"][0], "smtpd_tls_key_file": paths["rsa"][1],
                "smtpd_tls_eccert_file": paths["ecdsa"][0], "smtpd_tls_eckey_file": paths["ecdsa"][1],
                "smtpd_tls_CApath": "/etc/ssl/certs"}
        with open(daemon.path("gatepost.cf"), "w", encoding="utf-8") as file:
            file.write(result.stdout + config_text(own))
        return daemon
    return make


def offer_tls(daemon):
    """Level may for a document that leaves TLS off."""
    with open(daemon.path("gatepost.cf"), "a", encoding="ascii") as file:
        file.write("smtpd_tls_security_level = may\n")
    return daemon


@pytest.mark.parametrize("name", LEVELS)
def test_level(imported, name):
    daemon = imported(name).start()
    with Client(daemon.address, "127.0.0.2") as client:
        assert ("STARTTLS" in client.ehlo()) == (LEVELS[name] != "none")
        client.expect(530 if LEVELS[name] == "encrypt" else 250, "MAIL FROM:<>")


@pytest.mark.parametrize("name", LEVELS)
def test_offer(imported, name):
    daemon = offer_tls(imported(name)) if name == "s0" else imported(name)
    daemon.start()
    offer = Scanner(daemon.address, "127.0.0.2").scan()
    assert offer.versions == PROTOCOLS
    assert set(offer.suites["TLSv1.2"]) == set(STRONGEST_FIRST)
    cbc = {suite for suite in STRONGEST_FIRST if suite.endswith("-SHA")}
    assert set(offer.suites["TLSv1"]) == set(offer.suites["TLSv1.1"]) == cbc
    assert set(offer.suites["TLSv1.3"]) == set(TLS13_SUITES.values())
    if name in SERVER_ORDER:
        assert orders(offer.suites["TLSv1.2"]) == orders(STRONGEST_FIRST)
        assert offer.groups == GROUPS.get(name, USUAL_GROUPS)
    else:
        backwards = Scanner(daemon.address, "127.0.0.2", tuple(reversed(SUITES))).suites(TLS12)
        assert orders(backwards) == tuple(order[::-1] for order in orders(offer.suites["TLSv1.2"]))
        assert set(offer.groups) == set(USUAL_GROUPS)
    assert ask(daemon.address, "127.0.0.2", client_hello(SSL3, (0x000A, 0x002F))).suite is None


@pytest.mark.slow
@pytest.mark.parametrize("name", LEVELS)
def test_sslscan(imported, name):
    """The same by a scanner that others wrote."""
    daemon = offer_tls(imported(name)) if name == "s0" else imported(name)
    daemon.start()
    path = daemon.path("scan.xml")
    subprocess.run(["sslscan", "--starttls-smtp", "--no-colour", "--no-heartbleed", f"--xml={path}",
                    f"127.0.0.1:{daemon.port}"], check=True, capture_output=True, timeout=60)
    test = ElementTree.parse(path).getroot().find("ssltest")
    enabled = {f"{p.get('type')}v{p.get('version')}": p.get("enabled") for p in test.iter("protocol")}
    assert enabled == {"sslv2": "0", "sslv3": "0", "tlsv1.0": "1", "tlsv1.1": "1", "tlsv1.2": "1",
                       "tlsv1.3": "1"}
    found = {cipher.get("cipher") for cipher in test.iter("cipher")}
    assert found == set(STRONGEST_FIRST) | set(TLS13_SUITES.values())
    assert test.find("renegotiation").get("secure") == "1" or \
        test.find("renegotiation").get("supported") == "0"


def test_as_printed():
    """One of them does not load as it was printed: Postfix says where, and so does gatepost."""
    result = import_fixture("s2-as-printed")
    assert result.returncode == 1 and result.stdout == "", result
    assert re.search(r"main\.cf, line 52: missing '=' after attribute name: "
                     r'"permit_mynetworks,reject_unauth_destination"', result.stderr)


def test_as_pasted(make_gatepost, backend, certificates):
    """Without import: the whole main.cf, pasted into gatepost.cf."""
    for name in ("s1", "s2", "s3"):
        daemon = make_gatepost(backend.endpoint, start=False)
        with open(os.path.join(FIXTURES, f"postfix-{name}/main.cf"), encoding="ascii") as file:
            pasted = file.read()
        with open(daemon.path("gatepost.cf"), "w", encoding="ascii") as file:
            own = {key: value for key, value in daemon.parameters.items()
                   if key != "smtpd_tls_security_level"}
            file.write(pasted + config_text(own | {"smtpd_tls_CApath": "/etc/ssl/certs"}))
        daemon.start()
        with Client(daemon.address, "127.0.0.2") as client:
            assert "STARTTLS" in client.ehlo()
            client.starttls()
            client.ehlo()
        daemon.stop()
