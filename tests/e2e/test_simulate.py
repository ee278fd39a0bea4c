"""`gatepost simulate`: what it foretells is what then happens."""

import json
import re

import pytest

from harness import pki, unpacked
from harness.client import Client
from harness.daemon import HOSTNAME, run_command
from harness.ledger import Ledger
from harness.mtas import MTAS
from harness.ports import free_port
from harness.table import in_directory, said, use_table
from harness.zoo import CLEARTEXT, KINDS, source_of, visit

LENIENT = {"smtpd_tls_protocols": ">=TLSv1", "smtpd_tls_ciphers": "medium",
           "smtpd_tls_exclude_ciphers": ""}
PROPOSALS = {
    "TLS 1.2": {"smtpd_tls_protocols": ">=TLSv1.2"},
    "TLS 1.3": {"smtpd_tls_protocols": ">=TLSv1.3"},
    "no TLS 1.3, server's order": {"smtpd_tls_protocols": "<=TLSv1.2",
                                   "tls_preempt_cipherlist": "yes"},
    "AEAD": {"tls_high_cipherlist": "ECDHE+AESGCM:ECDHE+CHACHA20", "smtpd_tls_ciphers": "high"},
    "groups": {"tls_eecdh_auto_curves": "P-384 P-256"},
    "ChaCha20": {"tls_preempt_cipherlist": "yes", "tls_ssl_options": "PRIORITIZE_CHACHA"},
    "only RSA": {"chains": "rsa"},
    "only ECDSA": {"chains": "ecdsa"},
}


@pytest.fixture(name="make")
def make_daemons(make_gatepost, backend, directory):
    """make(start, **parameters): a daemon with both kinds of certificates."""
    files = {kind: pki.write(directory, f"{kind}.pem", pki.self_signed(HOSTNAME, kind).chain_file)
             for kind in ("rsa", "ecdsa")}

    def make(start=True, chains="rsa ecdsa", **parameters):
        names = ", ".join(files[kind] for kind in chains.split())
        return make_gatepost(backend.endpoint, start=start, smtpd_tls_chain_files=names,
                             smtpd_tls_cert_file="", smtpd_tls_key_file="",
                             **(LENIENT | parameters))
    return make


def simulate(daemon, *options, status=None):
    """Its answer as a dictionary."""
    result = in_directory(daemon, "simulate", "--json", *options)
    assert result.returncode in (0, 1) if status is None else result.returncode == status, result
    answer = json.loads(result.stdout)
    assert answer["harm"] == (result.returncode == 1)
    return answer


def by_peer(answer):
    """Findings of each peer."""
    found = {}
    for finding in answer["findings"]:
        found.setdefault(finding["peer"], []).append(finding)
    return found


def happened(ledger, row):
    """(protocol, cipher, group of TLS 1.3) of a peer that came once; None: no TLS came of it."""
    rows = ledger.tls(row)
    assert len(rows) <= 1
    return tuple(rows[0][name] for name in ("protocol", "cipher", "group")) if rows else None


def foretold(finding):
    """The same of what is foretold."""
    then = finding["then"]
    if "protocol" not in then:
        return None
    return then["protocol"], then["cipher"], then["group"] if then["protocol"] == "TLSv1.3" else ""


def check_prediction(kind, finding, ledger, row):
    """What happened must be what was foretold; a client may object to what the server agreed to,
    and those of bare hellos say nothing more."""
    came = happened(ledger, row)
    if came is not None:
        assert came == foretold(finding), (kind.name, finding)
        return
    if foretold(finding) is None:
        return
    [failure] = ledger.failures(row)
    assert kind.name.startswith("bare") or "alert" in failure["reason"], (kind.name, finding, failure)


@pytest.mark.slow
def test_prediction_comes_true(make):
    """All kinds of clients under one configuration, and then under each of the others."""
    first = make()
    ledger = Ledger(first.ledger_path)
    rows = visit(first, ledger, KINDS)
    for name, changes in PROPOSALS.items():
        second = make(start=False, **changes)
        answer = by_peer(simulate(first, "-c", second.directory, "--all"))
        second.start()
        live = Ledger(second.ledger_path)
        differs = 0
        for kind, before, row in zip(KINDS, rows, visit(second, live, KINDS)):
            if source_of(kind) not in answer:
                assert not ledger.hellos(before), (name, kind.name)
                continue
            [finding] = answer[source_of(kind)]
            check_prediction(kind, finding, live, row)
            differs += finding["now"] != finding["then"]
        assert differs > 0, name
        second.stop()


@pytest.mark.slow
def test_prediction_comes_true_for_mail_servers(make):
    """The same with other libraries and whole mail servers, for the changes that tell most."""
    first = make()
    ledger = Ledger(first.ledger_path)
    kinds = []
    for kind in MTAS:
        try:
            kind.run(first.address, source_of(kind))
            kinds.append(kind)
        except unpacked.Missing as missing:
            print(f"{kind.name}: {missing}")
    if not kinds:
        pytest.skip("none of them is there (packaging/install-deps interop)")
    for kind in kinds:
        assert ledger.wait_peer(source_of(kind), messages=1)["established"] == 1, kind.name
    for name in ("TLS 1.3", "groups", "only RSA"):
        second = make(start=False, **PROPOSALS[name])
        answer = by_peer(simulate(first, "-c", second.directory, "--all"))
        second.start()
        live = Ledger(second.ledger_path)
        for kind in kinds:
            kind.run(second.address, source_of(kind))
            row = live.wait_more(source_of(kind), None, sessions=1)
            [finding] = answer[source_of(kind)]
            check_prediction(kind, finding, live, row)
        second.stop()


def test_listeners_with_their_own_parameters(make):
    """Who came to such a listener is judged by its parameters, in both configurations."""
    daemon = make(start=False)
    strict, odd = daemon.port, free_port()
    listen = f"127.0.0.1:{strict}, {{ 127.0.0.1:{odd}, smtpd_tls_protocols=%s }}"
    daemon.write_config(gatepost_listen=listen % ">=TLSv1", smtpd_tls_protocols=">=TLSv1.2")
    daemon.start()
    ledger = Ledger(daemon.ledger_path)
    [old] = [kind for kind in KINDS if kind.name == "TLS 1.0"]
    old.run(("127.0.0.1", odd), source_of(old))
    CLEARTEXT.run(("127.0.0.1", odd), source_of(CLEARTEXT))
    ledger.wait_peer(source_of(old), sessions=1, messages=1)
    ledger.wait_peer(source_of(CLEARTEXT), sessions=1, messages=1)
    assert not simulate(daemon, "-o", "smtpd_tls_protocols=>=TLSv1.3", status=0)["findings"]
    [finding] = simulate(daemon, "-o", "gatepost_listen=" + listen % ">=TLSv1.2",
                         status=1)["findings"]
    assert (finding["peer"], finding["change"]) == (source_of(old), "lost")
    assert finding["policy"] == f"main configuration of the listener 127.0.0.1:{odd}"
    own = f"{{ 127.0.0.1:{odd}, smtpd_tls_security_level=encrypt, smtpd_tls_mandatory_protocols=>=TLSv1 }}"
    [finding] = simulate(daemon, "-o", f"gatepost_listen={own}", status=1)["findings"]
    assert (finding["peer"], finding["now"]["text"]) == (source_of(CLEARTEXT), "cleartext")
    result = in_directory(daemon, "simulate", "-o", f"gatepost_listen=127.0.0.1:{strict}")
    assert result.returncode == 1 and f"the listener 127.0.0.1:{odd}, which has parameters of its own, " \
        "is not in the proposed configuration" in said(result)
    suggested = in_directory(daemon, "-o", "gatepost_listen=" + listen % ">=TLSv1.2", "suggest",
                             "--min-sessions", "1")
    assert suggested.returncode == 0 and "until=" not in suggested.stdout, said(suggested)


def test_who_is_lost(make):
    """Exactly those whom the table let in, when its lines are gone; and what they deliver counts."""
    daemon = make(start=False, smtpd_tls_protocols=">=TLSv1.2")
    chosen = [kind for kind in KINDS if kind.name in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "swaks")]
    use_table(daemon, [f"{source_of(kind)} may protocols=>=TLSv1" for kind in chosen]).start()
    ledger = Ledger(daemon.ledger_path)
    visit(daemon, ledger, chosen, 2)
    answer = simulate(daemon, "-o", "smtpd_tls_policy_maps=", status=1)
    lost = {finding["peer"] for finding in answer["findings"]}
    assert lost == {source_of(kind) for kind in chosen if kind.name in ("TLS 1.0", "TLS 1.1")}
    for finding in answer["findings"]:
        assert (finding["change"], finding["messages"], finding["sessions"]) == ("lost", 2, 2)
        assert finding["then"]["kind"] == "protocol_too_old"
        assert finding["then"]["library"] == "unsupported protocol"
        assert re.fullmatch(r"offers TLS 1\.[01] at most; this peer's policy \(proposed\) needs "
                            r"TLS 1\.2", finding["then"]["reason"])
        assert finding["policy"] == "main configuration"
    result = in_directory(daemon, "simulate", "-o", "smtpd_tls_policy_maps=")
    assert result.returncode == 1
    assert "Would be lost: 2, with 4 messages in 4 sessions" in result.stdout
    assert "handshake fails: offers TLS 1.0 at most; this peer's policy (proposed) needs TLS 1.2 (main configuration)" in result.stdout


def test_levels(make):
    """encrypt loses who delivers in cleartext, reject everybody, none nobody."""
    daemon = make()
    ledger = Ledger(daemon.ledger_path)
    visit(daemon, ledger, [CLEARTEXT, KINDS[0]])
    answer = simulate(daemon, "-o", "smtpd_tls_security_level=encrypt", status=1)
    [finding] = answer["findings"]
    assert (finding["peer"], finding["change"]) == (source_of(CLEARTEXT), "lost")
    assert "TLS is required" in finding["then"]["text"]
    answer = simulate(daemon, "-o", "smtpd_tls_policy_maps=inline:{ { 127.0.0.0/8 reject } }",
                      status=1)
    assert {finding["peer"] for finding in answer["findings"]} == \
        {source_of(CLEARTEXT), source_of(KINDS[0])}
    assert all("line 1" in finding["policy"] for finding in answer["findings"])
    answer = simulate(daemon, "-o", "smtpd_tls_security_level=none", status=0)
    [finding] = answer["findings"]
    assert (finding["peer"], finding["change"]) == (source_of(KINDS[0]), "changed")
    assert finding["then"]["text"] == "cleartext"
    answer = simulate(daemon, "-o", "smtpd_tls_ask_ccert=yes", "-o", "smtpd_tls_req_ccert=yes", "-o",
                      "smtpd_tls_security_level=encrypt", status=1)
    assert "client certificate" in by_peer(answer)[source_of(KINDS[0])][0]["then"]["text"]


def test_summary_and_order(make):
    """A long list is summed up first; who is equal stands in the order of addresses."""
    daemon = make()
    ledger = Ledger(daemon.ledger_path)
    sources = ["127.0.1.2", "127.0.0.3", "127.1.0.1", "127.0.0.20", "127.0.2.1", "127.0.0.4"]
    for source in sources:
        CLEARTEXT.run(daemon.address, source)
    for source in sources:
        ledger.wait_peer(source, messages=1)
    text = in_directory(daemon, "simulate", "-o", "smtpd_tls_security_level=encrypt").stdout
    assert re.match(r"Would be lost: 6, with 6 messages in 6 sessions\n +6, with 6 messages: refused: "
                    r"TLS is required\n\n", text), text
    assert re.findall(r"^  (127\.[0-9.]+) ", text, re.M) == \
        ["127.0.0.3", "127.0.0.4", "127.0.0.20", "127.0.1.2", "127.0.2.1", "127.1.0.1"]


def test_gained(make):
    daemon = make(smtpd_tls_protocols=">=TLSv1.2")
    ledger = Ledger(daemon.ledger_path)
    [kind] = [kind for kind in KINDS if kind.name == "TLS 1.0"]
    visit(daemon, ledger, [kind])
    [finding] = simulate(daemon, "-o", "smtpd_tls_protocols=>=TLSv1", status=0)["findings"]
    assert (finding["peer"], finding["change"]) == (source_of(kind), "gained")
    assert finding["then"]["protocol"] == "TLSv1"


def test_names_of_clients_are_escaped(make):
    """What a client calls itself reaches neither the terminal nor JSON as it is."""
    daemon = make()
    ledger = Ledger(daemon.ledger_path)
    visit(daemon, ledger, [CLEARTEXT])
    with Client(daemon.address, "127.0.7.251") as client:
        client.ehlo("x\x1b[2Jy\"<b>")
        client.deliver("someone@gatepost.test", b"Subject: x\r\n\r\nx\r\n")
        client.quit()
    ledger.wait_peer("127.0.7.251", sessions=1)
    result = in_directory(daemon, "simulate", "-o", "smtpd_tls_security_level=encrypt")
    assert result.returncode == 1 and "\x1b" not in result.stdout
    simulate(daemon, "-o", "smtpd_tls_security_level=encrypt", status=1)


def test_errors(make):
    daemon = make(start=False)
    result = in_directory(daemon, "simulate")
    assert result.returncode == 64 and "-c DIR or -o name=value" in result.stderr
    result = in_directory(daemon, "simulate", "-o", "smtpd_tls_ciphers=high")
    assert result.returncode == 66 and "ledger" in said(result)
    daemon.start()
    visit(daemon, Ledger(daemon.ledger_path), [CLEARTEXT])
    result = in_directory(daemon, "simulate", "-o", "smtpd_tls_protocols=nonsense")
    assert result.returncode == 78 and "nonsense" in result.stderr
    result = in_directory(daemon, "simulate", "-c", "/nonexistent")
    assert result.returncode == 78
    assert run_command("-c", "/nonexistent", "simulate", "-c", daemon.directory).returncode == 78
