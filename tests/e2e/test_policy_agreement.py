"""`gatepost policy` against what a scan from outside finds, for random policies; the seed is in the
output of a failing test, and GATEPOST_TEST_SEED repeats it."""

import os
import random
import re
import subprocess

import pytest

from harness import pki
from harness.daemon import HOSTNAME
from harness.scan import TLS13_SUITES, Scanner
from harness.table import ask_policy, use_table

COUNT = 30
SEED = int(os.environ.get("GATEPOST_TEST_SEED", random.SystemRandom().randrange(1 << 32)))

PROTOCOLS = [">=TLSv1", ">=TLSv1.1", ">=TLSv1.2", ">=TLSv1.3", "<=TLSv1.2", "<=TLSv1.1", "TLSv1",
             "TLSv1.2", "TLSv1.2:TLSv1.3", "!TLSv1", "!SSLv2:!SSLv3:!TLSv1:!TLSv1.1",
             ">=TLSv1.1:<=TLSv1.2", ">=0302"]
# Never all of what can be left with the oldest protocols: that would be an error.
EXCLUDED = ["aNULL", "3DES", "RC4", "kRSA", "AES128", "CHACHA20", "aECDSA", "AESGCM",
            "ECDHE-RSA-AES256-GCM-SHA384", "AES256-SHA", "ECDHE+AES128", "kEECDH+AESGCM", "CAMELLIA"]
NAMED = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
         "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA",
         "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256", "AES128-SHA",
         "DES-CBC3-SHA", "ECDHE+AESGCM", "ECDHE+CHACHA20"]
CURVES = ["X25519", "prime256v1", "secp384r1", "secp521r1"]


def some(rng, population, least=1):
    """A random choice of several, in a random order."""
    return rng.sample(population, rng.randint(least, len(population)))


def random_attributes(rng):
    """The attributes of one line."""
    attributes = [rng.choice(["may", "encrypt"])]
    if rng.random() < 0.8:
        attributes.append(f"protocols={rng.choice(PROTOCOLS)}")
    kind = rng.random()
    if kind < 0.4:
        names = some(rng, NAMED)
        attributes.append("cipherlist=" + ":".join(names + ["ECDHE-RSA-AES256-SHA"]))
    elif kind < 0.8:
        attributes.append("ciphers=" + rng.choice(["high", "medium", "low", "HIGH"]))
        attributes.append("exclude=" + ":".join(rng.sample(EXCLUDED, rng.randint(1, 4))))
    if rng.random() < 0.6:
        attributes.append("curves=" + ":".join(some(rng, CURVES)))
    if rng.random() < 0.2:
        attributes.append("tickets=no")
    return " ".join(attributes)


@pytest.fixture
def chains(directory):
    """smtpd_tls_chain_files with both kinds of certificate."""
    return ", ".join(pki.write(directory, f"{kind}.pem", pki.self_signed(HOSTNAME, kind).chain_file)
                     for kind in ("ecdsa", "rsa"))


def usable_versions(answer):
    """The versions for which `gatepost policy` names a suite."""
    names = {suite["name"] for suite in answer["ciphers"]}
    old = any(name.endswith("-SHA") for name in names)
    usable = {"TLSv1": old, "TLSv1.1": old, "TLSv1.2": bool(names - set(TLS13_SUITES.values())),
              "TLSv1.3": True}
    return [version for version in answer["protocols"] if usable[version]]


def orders(names):
    """Suites in order; those of each kind of certificate apart: the client decides which it gets
    before the order of suites does."""
    return ([name for name in names if "ECDSA" in name],
            [name for name in names if "ECDSA" not in name])


def compare(answer, offer):
    """The differences between an answer of `gatepost policy` and a scan, as text."""
    told = [suite["name"] for suite in answer["ciphers"]]
    differences = []
    if usable_versions(answer) != offer.versions:
        differences.append(f"protocols {answer['protocols']}, found {offer.versions}")
    if set(told) != offer.all_suites:
        differences.append(f"only told: {set(told) - offer.all_suites}, "
                           f"only found: {offer.all_suites - set(told)}")
    for version, suites in offer.suites.items():
        expected = [name for name in told if name in suites]
        if version != "TLSv1.3" and orders(suites) != orders(expected):
            differences.append(f"{version}: order {expected}, found {suites}")
    if offer.groups and answer["groups"] != offer.groups:
        differences.append(f"groups {answer['groups']}, found {offer.groups}")
    return differences


@pytest.mark.slow
@pytest.mark.parametrize("certificates_of", ["ecdsa", "rsa", "both"])
def test_policy_and_scan_agree(make_gatepost, backend, certificates, chains, certificates_of):
    print(f"GATEPOST_TEST_SEED={SEED}")
    rng = random.Random(f"{SEED} {certificates_of}")
    lines = {f"127.0.1.{n + 1}": random_attributes(rng) for n in range(COUNT)}
    daemon = make_gatepost(backend.endpoint, start=False, tls_preempt_cipherlist="yes")
    if certificates_of == "both":
        daemon.write_config(smtpd_tls_chain_files=chains, smtpd_tls_cert_file="",
                            smtpd_tls_key_file="")
    else:
        daemon.write_config(smtpd_tls_cert_file=certificates[certificates_of].cert,
                            smtpd_tls_key_file=certificates[certificates_of].key)
    use_table(daemon, [f"{address} {attributes}" for address, attributes in lines.items()]).start()
    failures = []
    for address, attributes in lines.items():
        differences = compare(ask_policy(daemon, address), Scanner(daemon.address, address).scan())
        failures += [f"{attributes}: {difference}" for difference in differences]
    assert not failures, "\n".join(failures)


@pytest.mark.slow
def test_policy_and_sslscan_agree(make_gatepost, backend, chains):
    """The same with a scanner that others wrote, for the one peer that it can be."""
    rng = random.Random(SEED)
    print(f"GATEPOST_TEST_SEED={SEED}")
    for _ in range(3):
        attributes = random_attributes(rng)
        daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_chain_files=chains,
                               smtpd_tls_cert_file="", smtpd_tls_key_file="")
        use_table(daemon, ["0.0.0.0/0 none", f"127.0.0.1 {attributes}"]).start()
        answer = ask_policy(daemon, "127.0.0.1")
        result = subprocess.run(
            ["sslscan", "--starttls-smtp", "--no-colour", "--no-heartbleed", "--no-check-certificate",
             f"127.0.0.1:{daemon.port}"], text=True, capture_output=True, timeout=60, check=True)
        enabled = re.findall(r"^(TLSv\S+) +enabled$", result.stdout, re.M)
        enabled = sorted("TLSv1" if name == "TLSv1.0" else name for name in enabled)
        assert enabled == usable_versions(answer), (attributes, result.stdout)
        found = set(re.findall(r"^(?:Accepted|Preferred) +TLSv\S+ +\d+ bits +(\S+)", result.stdout,
                               re.M))
        # What Debian's OpenSSL has not (triple DES), sslscan finds itself, under IANA's name.
        names = {suite["standard_name"]: suite["name"] for suite in answer["ciphers"]}
        assert {names.get(name, name) for name in found} == set(names.values()), (attributes, result.stdout)
        daemon.stop()


def test_names_and_bits(make_gatepost, backend):
    daemon = use_table(make_gatepost(backend.endpoint, start=False),
                       ["127.0.0.2 encrypt protocols=>=TLSv1.2 "
                        "cipherlist=ECDHE-ECDSA-AES128-GCM-SHA256 note=\"town hall\" tickets=no"])
    answer = ask_policy(daemon, "127.0.0.2")
    assert {suite["name"] for suite in answer["ciphers"]} == \
        set(TLS13_SUITES.values()) | {"ECDHE-ECDSA-AES128-GCM-SHA256"}
    assert {"name": "ECDHE-ECDSA-AES128-GCM-SHA256", "bits": 128,
            "standard_name": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"} in answer["ciphers"]
    assert answer["file"] == daemon.path("tls_policy.cidr") and answer["line"] == 1
    assert answer["prefix"] == "127.0.0.2/32" and answer["note"] == "town hall"
    assert answer["level"] == "encrypt" and answer["client_certificate"] == "no"
    assert answer["tickets"] is False and answer["until"] is None
    assert [chain["subject"] for chain in answer["certificates"]] == ["CN=" + HOSTNAME]
    answer = ask_policy(daemon, "192.0.2.1")
    assert answer["line"] == 0 and answer["file"] is None and answer["level"] == "may"
