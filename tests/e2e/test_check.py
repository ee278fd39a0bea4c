"""gatepost check: certificates and keys that work but should not stay as they are, and profiles."""

import contextlib
import os
import pwd
import re
import sqlite3
import subprocess

import pytest

from harness import pki
from harness.daemon import BINARY, HOSTNAME
from harness.table import in_directory, said, use_table

SOON = pki.NOW + 10 * pki.DAY
LATER = pki.NOW + 15 * pki.DAY + pki.DAY / 2


@pytest.fixture(scope="module")
def root():
    """An authority whose certificates are good for years."""
    return pki.Authority("Root CA")


@pytest.fixture(scope="module")
def middle(root):
    """One below it."""
    return pki.Authority("Middle CA", root)


@pytest.fixture
def check(make_gatepost, backend, directory):
    """check(PEM...) runs it with this as the one chain file; what it says, which must be no error.
    Keywords: mode of the file, parameters."""
    def run(*parts, mode=0o600, options=(), **parameters):
        path = pki.write(directory, "chain.pem", *parts, mode=mode)
        daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_chain_files=path,
                               smtpd_tls_cert_file="", smtpd_tls_key_file="",
                               **{"gatepost_listen": "127.0.0.1:1"} | parameters)
        result = in_directory(daemon, "check", *options)
        run.status = result.returncode
        return said(result)
    return run


def warnings(text):
    """The lines with warnings."""
    return [line for line in text.splitlines() if "warning: " in line]


def test_nothing_to_say(check, middle):
    rsa = middle.issue(HOSTNAME, "rsa")
    assert not warnings(check(rsa.chain_file)) and check.status == 0
    assert not warnings(check(middle.issue(HOSTNAME).chain_file, rsa.chain_file))


def test_expired(check, middle):
    text = check(middle.issue(HOSTNAME, "rsa", end=pki.NOW - pki.DAY).chain_file)
    assert check.status == 0
    assert re.search(rf"warning: .*CN={HOSTNAME}: expired on \d{{4}}-\d\d-\d\d", text), text


def test_not_yet_valid(check, middle):
    text = check(middle.issue(HOSTNAME, "rsa", start=pki.NOW + pki.DAY).chain_file)
    assert "is not valid before" in text


@pytest.mark.parametrize("end, reported", [(SOON, True), (LATER, False)])
def test_expires_soon(check, middle, end, reported):
    text = check(middle.issue(HOSTNAME, "rsa", end=end).chain_file)
    assert (f": expires on {end:%Y-%m-%d}" in text) == reported, text


def test_issuer_expires_soon(check, root):
    short = pki.Authority("Short CA", root, end=SOON)
    assert "an issuer's certificate in its chain expires on" in \
        check(short.issue(HOSTNAME, "rsa").chain_file)
    over = pki.Authority("Over CA", root, end=pki.NOW - pki.DAY)
    assert "an issuer's certificate in its chain expired on" in \
        check(over.issue(HOSTNAME, "rsa").chain_file)


def test_wrong_order(check, root, middle):
    leaf = middle.issue(HOSTNAME, "rsa")
    text = check(leaf.key_pem, leaf.pem, root.pem, middle.pem)
    assert "the chain is in the wrong order" in text


def test_incomplete(check, middle):
    leaf = middle.issue(HOSTNAME, "rsa")
    assert "the chain is incomplete" in check(leaf.key_pem, leaf.pem)


def test_key_of_another_certificate(check, middle):
    leaf, other = middle.issue(HOSTNAME), middle.issue(HOSTNAME)
    text = check(other.key_pem, leaf.chain)
    assert check.status == 1 and re.search(r"error: .*chain\.pem", text), text


@pytest.mark.parametrize("name, names, message", [
    ("other.example", None, f"does not cover {HOSTNAME}, only: other.example"),
    (HOSTNAME, ["x.example", "y.example"], "only: x.example y.example"),
    (HOSTNAME, [], "has no DNS names in its subjectAltName"),
    ("wild", ["*.gatepost.test"], None), ("wild", ["*.test"], "does not cover"),
    ("upper", [HOSTNAME.upper()], None)])
def test_names(check, middle, name, names, message):
    text = check(middle.issue(name, "rsa", names).chain_file)
    if message:
        assert message in text
    else:
        assert not warnings(text)


@pytest.mark.parametrize("mode, whom", [(0o600, None), (0o400, None), (0o640, "its group"),
                                        (0o644, "everybody"), (0o604, "everybody")])
def test_who_can_read_the_key(check, middle, mode, whom):
    text = check(middle.issue(HOSTNAME, "rsa").chain_file, mode=mode)
    if whom:
        assert f"has mode {mode:04o}: the private key in it can be read by {whom}" in text
    else:
        assert not warnings(text)


def test_a_certificate_file_may_be_read(make_gatepost, backend, directory, middle):
    leaf = middle.issue(HOSTNAME, "rsa")
    cert = pki.write(directory, "cert.pem", leaf.chain, mode=0o644)
    key = pki.write(directory, "key.pem", leaf.key_pem, mode=0o644)
    daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_cert_file=cert,
                           smtpd_tls_key_file=key)
    text = said(in_directory(daemon, "check"))
    assert "key.pem has mode 0644" in text and "cert.pem has mode" not in text


def test_only_ecdsa(check, middle):
    text = check(middle.issue(HOSTNAME).chain_file)
    assert re.search(r"no RSA certificate, only ECDSA \(prime256v1\)", text), text
    assert "no RSA certificate" not in check(middle.issue(HOSTNAME, "rsa").chain_file)


def test_weak_key(check, middle):
    assert "the key is weak" in check(middle.issue(HOSTNAME, "rsa1024").chain_file)


PROFILES = {
    "bsi-tr-02102-2": ({"protocols", "cipher-suites"}, "BSI TR-02102-2"),
    "mozilla-intermediate": ({"TLS 1.2", "cipher"}, "Mozilla Server Side TLS"),
    "mozilla-modern": ({"TLS 1.3"}, "Mozilla Server Side TLS"),
    "ncsc-nl-2.1": ({"phase"}, "NCSC-NL"),
    "pci-dss-4": ({"TLS 1.2"}, "PCI DSS"),
}


@pytest.mark.parametrize("name", PROFILES)
def test_profiles(check, middle, name):
    """Postfix's defaults violate all of them, and each violation names its source."""
    chain = middle.issue(HOSTNAME, "rsa").chain_file
    text = check(chain, options=("--profile", name), smtpd_tls_protocols=">=TLSv1")
    found = [line for line in warnings(text) if f"profile {name}: " in line]
    assert found, text
    assert check.status == 1
    document = PROFILES[name][1]
    assert all("main configuration" in line and f"[{document}" in line for line in found), found
    assert any("TLS 1" in line for line in found)


def test_profile_that_is_kept(check, middle):
    ecdsa, rsa = middle.issue(HOSTNAME), middle.issue(HOSTNAME, "rsa")
    text = check(ecdsa.chain_file, rsa.chain_file, options=("--profile", "mozilla-intermediate"),
                 smtpd_tls_protocols=">=TLSv1.2", tls_eecdh_auto_curves="X25519 prime256v1 secp384r1",
                 smtpd_tls_exclude_ciphers="kRSA SHA1")
    assert "profile mozilla-intermediate" not in "\n".join(warnings(text)) and check.status == 0, text


def test_profile_per_line(make_gatepost, backend, directory, middle):
    """An exception's violations are reported as its own."""
    chain = pki.write(directory, "chain.pem", middle.issue(HOSTNAME, "rsa").chain_file)
    daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_chain_files=chain,
                           smtpd_tls_cert_file="", smtpd_tls_key_file="",
                           smtpd_tls_protocols=">=TLSv1.2")
    use_table(daemon, ["192.0.2.1 may", "192.0.2.2 may protocols=>=TLSv1", "192.0.2.3 none"])
    text = said(in_directory(daemon, "check", "--profile", "pci-dss-4"))
    found = [line for line in warnings(text) if "profile pci-dss-4: " in line]
    assert len(found) == 1 and "tls_policy.cidr, line 2" in found[0], text


def test_unknown_profile(check, middle):
    text = check(middle.issue(HOSTNAME, "rsa").chain_file, options=("--profile", "bsi"))
    assert check.status in (1, 64) and all(name in text for name in PROFILES), text


def test_the_daemon_may_run_with_all_of_it(make_gatepost, backend, directory, middle):
    """These are warnings: what works must not stop because a date has passed."""
    leaf = middle.issue("other.example", end=pki.NOW - pki.DAY)
    chain = pki.write(directory, "chain.pem", leaf.chain_file, mode=0o644)
    daemon = make_gatepost(backend.endpoint, smtpd_tls_chain_files=chain, smtpd_tls_cert_file="",
                           smtpd_tls_key_file="")
    assert os.path.exists(daemon.log_path)


def ledger_check(daemon):
    """What is said about the ledger."""
    result = in_directory(daemon, "check")
    return [line.split("warning: ", 1)[1] for line in said(result).splitlines()
            if "warning: " in line and "recorded" in line or ".corrupt" in line]


def test_ledger(make_gatepost, backend):
    """Where it is to be, and what is there."""
    daemon = make_gatepost(backend.endpoint, start=False, gatepost_user="nobody")
    assert not ledger_check(daemon)  # it will be made
    directory = os.path.dirname(daemon.ledger_path)
    os.mkdir(directory)  # root's
    [line] = ledger_check(daemon)
    assert line.startswith(directory) and "belongs to gatepost_user" in line
    owner = pwd.getpwnam("nobody").pw_uid
    os.chown(directory, owner, -1)
    assert not ledger_check(daemon)
    os.chmod(directory, 0o777)
    assert "nobody else can write" in ledger_check(daemon)[0]
    os.chmod(directory, 0o750)
    with contextlib.closing(sqlite3.connect(daemon.ledger_path)) as database:
        database.execute("CREATE TABLE something(n)")
    assert "gatepost_user owns" in ledger_check(daemon)[0]
    os.chown(daemon.ledger_path, owner, -1)
    assert "not a ledger; it would be renamed" in ledger_check(daemon)[0]
    os.unlink(daemon.ledger_path)
    daemon.start().stop()
    assert not ledger_check(daemon)
    with contextlib.closing(sqlite3.connect(daemon.ledger_path)) as database:
        database.execute("UPDATE meta SET value = 99 WHERE key = 'version'")
        database.commit()
    assert "its version is 99" in ledger_check(daemon)[0]
    daemon.write_config(gatepost_ledger="no")
    assert not ledger_check(daemon)
    daemon.write_config(gatepost_ledger="yes", gatepost_state_directory=daemon.path("nowhere"))
    assert f"{daemon.path('nowhere')}: No such file" in ledger_check(daemon)[0]


def test_ledger_without_room(make_gatepost, backend):
    """A file system of its own that is small."""
    daemon = make_gatepost(backend.endpoint, start=False)
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" check', "sh", daemon.path("state"),
         BINARY, daemon.directory], capture_output=True, text=True, check=False, timeout=60)
    if "mount" in result.stderr and "permi" in result.stderr.lower():
        pytest.skip("no mounts here: " + result.stderr.strip())
    assert re.search("warning: .*/state: only 1 MB are free", result.stdout + result.stderr), result
