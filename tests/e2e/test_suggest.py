"""`gatepost suggest`: its lines let those through that failed, and no more than they must."""

import re
import sqlite3
import time

import pytest

from harness.ledger import Ledger
from harness.table import in_directory, said, use_table, write_table
from harness.zoo import KINDS, source_of, visit
from test_simulate import by_peer, make_daemons, simulate  # noqa: F401, pylint: disable=unused-import

STRICT = {"smtpd_tls_protocols": ">=TLSv1.2", "smtpd_tls_ciphers": "high",
          "smtpd_tls_exclude_ciphers": "kRSA, 3DES", "tls_eecdh_auto_curves": "X25519 P-256"}
TODAY = time.strftime("%Y-%m-%d")


def kinds_named(*names):
    """Those of these names."""
    return [next(kind for kind in KINDS if kind.name == name) for name in names]


def suggest(daemon, *options):
    """What it says, and of that the lines for the table: {address: line}."""
    result = in_directory(daemon, "suggest", *options)
    assert result.returncode == 0, said(result)
    lines = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    return result.stdout, {line.split()[0]: line for line in lines}


def age(daemon, kept=0, seen=0):
    """The ledger has been kept so many days longer, and what is in it was seen so long ago."""
    database = sqlite3.connect(daemon.ledger_path, timeout=30)
    database.execute("UPDATE meta SET value = value - ? WHERE key = 'created'", (kept * 86400,))
    for table in ("peer", "peer_hello"):
        database.execute(f"UPDATE {table} SET last = last - ?", (seen * 86400,))
    database.commit()
    database.close()


@pytest.mark.slow
def test_the_round_trip(make):
    """Strict; suggest; paste; reload: all get through that can. simulate without the lines names
    exactly those who deliver because of them."""
    daemon = make(start=False, **STRICT)
    table = write_table(daemon, [])
    daemon.write_config(smtpd_tls_policy_maps=table)
    daemon.start()
    ledger = Ledger(daemon.ledger_path)
    first = visit(daemon, ledger, KINDS)
    text, lines = suggest(daemon, "--min-sessions", "1")
    refused = {source_of(kind) for kind, row in zip(KINDS, first)
               if row["failed"] and not ledger.failures(row)[0]["kind_text"].startswith("client_")}
    assert set(lines) <= refused and len(lines) >= 8, text
    assert all(f'suggested {TODAY}"' in line and "until=" in line for line in lines.values())
    write_table(daemon, text)
    check = in_directory(daemon, "check")
    assert not re.search("(error|warning): .*tls_policy", said(check)), said(check)
    daemon.reload()
    second = visit(daemon, ledger, KINDS)
    saved = set()
    for kind, before, after in zip(KINDS, first, second):
        line = lines.get(source_of(kind), "")
        if not line:
            assert after["established"] == 2 * before["established"], (kind.name, text)
        elif " none " in line:
            assert after["failed"] == before["failed"], (kind.name, line)
        elif not kind.name.startswith("bare"):
            assert after["established"] == before["established"] + 1, (kind.name, line)
            saved |= {source_of(kind)} if after["messages"] else set()
    assert len(saved) >= 4
    answer = by_peer(simulate(daemon, "-o", "smtpd_tls_policy_maps=", status=1))
    lost = {peer for peer, findings in answer.items()
            if any(f["change"] == "lost" and f["messages"] for f in findings)}
    assert lost == saved | {peer for peer in lost if " none " in lines.get(peer, "")}


def test_lines_are_tight(make):
    """Only what is in the way is loosened."""
    daemon = make(**STRICT)
    ledger = Ledger(daemon.ledger_path)
    wanted = {"TLS 1.0": r"may protocols=>=TLSv1 until=",
              "TLS 1.1": r"may protocols=>=TLSv1\.1 until=",
              "TLS 1.2, static RSA": r"may ciphers=medium exclude=aNULL until=",
              "TLS 1.3 only, P-521": r"may curves=X25519:P-256:P-384:P-521 until=",
              "GnuTLS, secp384r1": r"may curves=X25519:P-256:P-384 until=",
              "GnuTLS, like Windows 2003": r"may protocols=>=TLSv1 exclude=aNULL cipherlist=\S+ until=",
              "GnuTLS, RC4": r"none until=.* note=\"127\.0\.0\.1, offers nothing that BoringSSL has",
              "s_client, X448 alone": "none until="}
    chosen = kinds_named(*wanted)
    visit(daemon, ledger, chosen + kinds_named("today's Python"))
    _, lines = suggest(daemon, "--min-sessions", "1")
    assert set(lines) == {source_of(kind) for kind in chosen}
    for kind in chosen:
        assert re.search("^[0-9.]+ " + wanted[kind.name], lines[source_of(kind)]), \
            (kind.name, lines[source_of(kind)])
    _, lines = suggest(daemon)
    assert not lines  # once is no evidence


def test_a_line_that_is_there_is_not_doubled(make):
    """What it says is kept, and the new line stands in a comment."""
    [kind] = kinds_named("TLS 1.0, static RSA")
    daemon = make(start=False, **STRICT)
    use_table(daemon, [f"{source_of(kind)} encrypt protocols=>=TLSv1.1 tickets=no"]).start()
    visit(daemon, Ledger(daemon.ledger_path), [kind])
    text, lines = suggest(daemon, "--min-sessions", "1")
    assert not lines
    assert re.search(rf"# instead of cidr:/.*, line 1:\n#   {source_of(kind)} encrypt "
                     r"protocols=>=TLSv1 ciphers=medium exclude=aNULL tickets=no until=", text) or \
        re.search(r"# instead of .*, line 1:\n#   .* encrypt protocols=>=TLSv1 .*tickets=no", text), text


def test_lines_nobody_needs(make):
    """Unused, not needed any more, too loose, needed; and those that demand more are left alone."""
    modern, old, middle = kinds_named("today's Python", "TLS 1.0", "TLS 1.1")
    daemon = make(start=False, **STRICT)
    use_table(daemon, ["192.0.2.0/24 may protocols=>=TLSv1",
                       f"{source_of(modern)} may protocols=>=TLSv1",
                       f"{source_of(old)} may protocols=>=TLSv1",
                       f"{source_of(middle)} may protocols=>=TLSv1",
                       "198.51.100.0/24 reject", "2001:db8::/32 encrypt"]).start()
    visit(daemon, Ledger(daemon.ledger_path), [modern, old, middle])
    text, _ = suggest(daemon)
    assert "has not been kept for 90 days yet" in text
    daemon.stop()
    age(daemon, kept=29, seen=10)
    text, _ = suggest(daemon, "--unused-days", "30")
    assert "has not been kept for 30 days yet" in text
    age(daemon, kept=2)
    text, _ = suggest(daemon, "--unused-days", "30")
    assert re.findall(r"line (\d): (\S+): (.*)", text) == [
        ("1", "192.0.2.0/24", "nobody has come that it applies to"),
        ("2", source_of(modern) + "/32",
         "not needed any more: those who come get through without it"),
        ("4", source_of(middle) + "/32", "could be tighter:")], text
    assert f"#   {source_of(middle)}/32 may protocols=>=TLSv1.1\n" in text
    text, _ = suggest(daemon, "--unused-days", "5")
    assert len(re.findall("nobody has come since .* that it applies to", text)) == 3, text


def test_errors(make):
    daemon = make(start=False)
    assert in_directory(daemon, "suggest").returncode == 66
    for options in (["x"], ["--min-sessions", "many"], ["--unused-days", "-1"]):
        assert in_directory(daemon, "suggest", *options).returncode == 64
