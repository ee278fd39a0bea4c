"""The whole way, with more than twenty kinds of clients: a strict configuration; `report` names each
that fails, with the reason; what `suggest` prints is pasted into the policy table; all deliver that
can; `simulate` without these lines names exactly those that need them."""

import contextlib
import json
import re
import socket

import pytest

from harness import unpacked
from harness.client import Client
from harness.ledger import Ledger
from harness.mtas import MTAS
from harness.table import in_directory, said, write_table
from harness.zoo import CLEARTEXT, KINDS, Kind
from test_simulate import make_daemons  # noqa: F401, pylint: disable=unused-import

STRICT = {"smtpd_tls_protocols": ">=TLSv1.2", "smtpd_tls_ciphers": "high",
          "smtpd_tls_exclude_ciphers": "kRSA, 3DES, SHA1", "tls_eecdh_auto_curves": "X25519 P-256"}
ALL = {kind.name: kind for kind in [CLEARTEXT, *KINDS, *MTAS]}


def says(name, text):
    """A kind that says STARTTLS, and then something that is not TLS."""
    def run(address, source):
        with contextlib.suppress(OSError, AssertionError):
            with Client(address, source) as client:
                client.ehlo()
                client.expect(220, "STARTTLS")
                client.send(text)
                if text.startswith(b"\x16"):  # the beginning of a record
                    client.socket.shutdown(socket.SHUT_WR)
                client.rest()
    return Kind(name, run)


GOOD = ["cleartext", "today's Python", "TLS 1.3 only, P-256", "TLS 1.2, AES-GCM", "swaks",
        "swaks, TLS 1.2", "posttls-finger", "posttls-finger, TLS 1.2", "GnuTLS", "GnuTLS, TLS 1.2",
        "s_client, ALPN", "s_client, ChaCha20 first", "s_client, no tickets, name",
        "Exim", "Exim, TLS 1.2, RSA certificates", "OpenSMTPD", "Java", "Java, TLS 1.2", "Go"]

# What `report` must say, as "kind: beginning of the reason".
HELPED = {
    "TLS 1.0": "protocol_too_old: offers TLS 1.0 at most; this peer's policy (main configuration) "
               "needs TLS 1.2",
    "TLS 1.1": "protocol_too_old: offers TLS 1.1 at most",
    "TLS 1.0, static RSA": "protocol_too_old: offers TLS 1.0 at most",
    "TLS 1.2, static RSA": "only_rsa_key_exchange: offers only RSA key exchange",
    "TLS 1.2, AES-CBC": "no_shared_cipher: ",
    "TLS 1.3 only, P-521": "no_shared_group: ",
    "GnuTLS, secp384r1": "no_shared_group: ",
    "GnuTLS, like Windows 2003": "protocol_too_old: offers TLS 1.0 at most",
}
HOPELESS = {
    "TLS 1.2, finite-field DH": "no_shared_cipher: ",
    "s_client, X448 alone": "no_shared_group: ",
    "GnuTLS, RC4": "protocol_too_old: ",
    "bare TLS 1.3, CCM": "no_shared_cipher: ",
}
# Nothing that a policy could change.
BROKEN = {
    says("SMTP instead of TLS", b"EHLO again.example\r\n"): "not_tls: spoke SMTP",
    says("HTTP instead of TLS", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"): "not_tls: ",
    says("closes", b"\x16\x03\x01"): "client_closed: closed within its ClientHello",
}
EXPECTED = [(ALL[name], "") for name in GOOD] + \
    [(ALL[name], reason) for name, reason in (HELPED | HOPELESS).items()] + list(BROKEN.items())


def address_of(number):
    """Of the visitor with this number."""
    return f"127.0.8.{number + 1}"


def come(daemon, ledger, visitors, delivering):
    """A session of each; DELIVERING are those whose message must arrive. {address: its row in the
    ledger}. Those that are not installed stay away."""
    before, absent = {}, []
    for source, (kind, _) in visitors.items():
        before[source] = ledger.peer(source)
        try:
            kind.run(daemon.address, source)
        except unpacked.Missing as missing:
            del before[source]
            absent.append(f"{kind.name}: {missing}")
    print("absent:", absent)
    return {source: ledger.wait_more(source, row, sessions=1,
                                     messages=1 if source in delivering else 0)
            for source, row in before.items()}


def report(daemon, *options):
    """{address: ["kind: reason", ...]} of those that failed, as `report --failing` has it."""
    result = in_directory(daemon, "report", "--json", "--failing", *options)
    assert result.returncode == 0, said(result)
    return {peer["address"]: [f"{row['kind']}: {row['reason']}" for row in peer["failures"]]
            for peer in json.loads(result.stdout)["peers"]}


def lost_without(daemon):
    """Whom `simulate` without the table would lose."""
    result = in_directory(daemon, "simulate", "--json", "-o", "smtpd_tls_policy_maps=")
    answer = json.loads(result.stdout)
    assert answer["harm"] == (result.returncode == 1), said(result)
    return {finding["peer"] for finding in answer["findings"] if finding["change"] == "lost"}


@pytest.mark.slow
def test_know_your_peers(make):
    visitors = {address_of(number): visitor for number, visitor in enumerate(EXPECTED)}
    daemon = make(start=False, **STRICT)
    table = write_table(daemon, [])
    daemon.write_config(smtpd_tls_policy_maps=table)
    daemon.start()
    ledger = Ledger(daemon.ledger_path)
    first = come(daemon, ledger, visitors, {
        source for source, (kind, reason) in visitors.items() if kind.delivers and not reason})
    assert len(first) >= 20

    failed = report(daemon)
    for source in first:
        kind, reason = visitors[source]
        assert bool(reason) == (source in failed), (kind.name, failed.get(source))
        assert not reason or failed[source][0].startswith(reason), (kind.name, failed[source])
        assert not reason or not first[source]["messages"], kind.name

    pasted = in_directory(daemon, "suggest", "--min-sessions", "1").stdout
    lines = {line.split()[0]: line for line in pasted.splitlines() if not line.startswith("#")}
    helped = {source for source in first if visitors[source][0].name in HELPED}
    hopeless = {source for source in first if visitors[source][0].name in HOPELESS}
    assert {source for source, line in lines.items() if " none " not in line} == helped, pasted
    assert {source for source, line in lines.items() if " none " in line} == hopeless, pasted
    write_table(daemon, pasted)
    check = in_directory(daemon, "check")
    assert not re.search("(error|warning): .*tls_policy", said(check)), said(check)
    daemon.reload()

    second = come(daemon, ledger, {source: visitors[source] for source in first}, {
        source for source in first if visitors[source][0].delivers and source not in hopeless})
    for source, row in second.items():
        kind, reason = visitors[source]
        if source in helped or not reason:
            assert row["failed"] == first[source]["failed"], (kind.name, lines.get(source))
        if source in hopeless:  # STARTTLS is not offered any more, which some take for cleartext
            assert row["failed"] == first[source]["failed"], kind.name
    assert lost_without(daemon) == helped

    policies = {row["line"].split()[0]: row for row in json.loads(
        in_directory(daemon, "report", "--json").stdout)["policies"] if row["line"]}
    assert {f"{source}/32" for source in helped | hopeless} == set(policies)
    assert all(row["state"] == "present" and row["sessions"] == 1 for row in policies.values())
