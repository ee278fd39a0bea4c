"""gatepost_second_chance: who fails gets a weaker policy for a while, and nobody else."""

import csv
import io
import json
import re
import ssl
import time

import pytest

from harness.client import Client, Closed, tls_context
from harness.daemon import run_command
from harness.ledger import Ledger
from harness.table import ask_policy, in_directory, said, use_table
from harness.wait import wait_until

OLD = ssl.TLSVersion.TLSv1
FAILING, OTHER, LISTED = "127.0.0.2", "127.0.0.3", "127.0.0.4"


@pytest.fixture(name="start")
def starter(make_gatepost, backend):
    """start(value, ...): a daemon with this second chance after two failures."""
    def start(value, **parameters):
        daemon = make_gatepost(
            backend.endpoint, start=False, smtpd_tls_protocols=">=TLSv1.2",
            smtpd_tls_mandatory_protocols=">=TLSv1.2", gatepost_second_chance=value,
            **{"gatepost_second_chance_failures": "2"} | parameters)
        return use_table(daemon, [f"{LISTED} may"]).start()
    return start


def version_of(daemon, source, context=None):
    """The protocol that a client gets that has nothing but TLS 1.0, or None: it fails."""
    with Client(daemon.address, source) as client:
        client.ehlo()
        try:
            client.starttls(context or tls_context(OLD, OLD))
            client.ehlo()
        except (ssl.SSLError, ConnectionResetError, Closed):
            return None
        return client.socket.version()


def fail_twice(daemon, source):
    """The handshakes that it takes, and that they are counted."""
    assert version_of(daemon, source) is None and version_of(daemon, source) is None
    daemon.wait_log(rf"second chance of unknown\[{source}\] begins, ")


def status(daemon):
    """What status --json says about second chances."""
    result = in_directory(daemon, "status", "--json")
    assert result.returncode == 0, result
    return json.loads(result.stdout)["second_chance"]


def test_life(start):
    """Two handshakes fail, the third succeeds, and then all of that address, over a reload. Others,
    and who has a line in the table, get nothing."""
    daemon = start("protocols=>=TLSv1 ciphers=medium")
    fail_twice(daemon, FAILING)
    name = rf"unknown\[{FAILING}\]"
    daemon.wait_log(rf"second chance of {name} begins, for 86400 seconds, after 2 failed TLS "
                    r"handshakes, the last since it offers TLS 1\.0 at most; ")
    assert version_of(daemon, FAILING) == "TLSv1"
    daemon.wait_log(rf"second chance of {name}: gatepost_second_chance holds$")
    assert version_of(daemon, OTHER) is None
    assert [version_of(daemon, LISTED) for _ in range(4)] == [None] * 4
    assert status(daemon) == {"addresses": 1, "begun": 1, "sessions": 1}
    assert "second chances: 1 addresses now, begun 1, used by sessions 1\n" in \
        in_directory(daemon, "status").stdout
    daemon.reload()
    assert version_of(daemon, FAILING) == "TLSv1"
    assert version_of(daemon, OTHER) is None
    daemon.wait_log(rf"second chance of unknown\[{OTHER}\] begins")  # a failure before counts
    assert version_of(daemon, OTHER) == "TLSv1"


def test_time_runs_out(start):
    daemon = start("protocols=>=TLSv1", gatepost_second_chance_time="3s")
    fail_twice(daemon, FAILING)
    wait_until(lambda: status(daemon)["addresses"] == 0, "the end of the time")
    assert version_of(daemon, FAILING) is None
    daemon.wait_log(rf"second chance of unknown\[{FAILING}\] has ended$")


def test_policy_command(start):
    daemon = start("encrypt protocols=>=TLSv1")
    assert ask_policy(daemon, FAILING)["second_chance"] == 0
    assert "second chance none\n" in in_directory(daemon, "policy", FAILING).stdout
    assert "second_chance" not in ask_policy(daemon, LISTED)
    fail_twice(daemon, FAILING)
    answer = ask_policy(daemon, FAILING)
    assert 0 < answer["second_chance"] <= 86400
    assert answer["level"] == "encrypt" and answer["protocols"][0] == "TLSv1"
    assert ask_policy(daemon, OTHER)["protocols"][0] == "TLSv1.2"
    text = in_directory(daemon, "policy", FAILING).stdout
    assert "line          none, gatepost_second_chance holds\nsecond chance for " in text
    daemon.stop()
    assert "second chance not known: the daemon does not answer" in \
        in_directory(daemon, "policy", FAILING).stdout


@pytest.mark.parametrize("value, plaintext", [("protocols=>=TLSv1", False), ("none", True),
                                              ("may protocols=>=TLSv1", True)])
def test_no_plaintext_unless_written(start, connect, value, plaintext):
    daemon = start(value, smtpd_tls_security_level="encrypt")
    fail_twice(daemon, FAILING)
    client = connect(daemon, FAILING)
    assert ("STARTTLS" in client.ehlo()) == (value != "none")
    assert client.command("MAIL FROM:<a@b.example>").code == (250 if plaintext else 530)


def test_never_below_what_is_written(start):
    """A second chance with TLS 1.1 is of no use to a client with TLS 1.0."""
    daemon = start("protocols=>=TLSv1.1")
    fail_twice(daemon, FAILING)
    assert [version_of(daemon, FAILING) for _ in range(3)] == [None] * 3
    new = tls_context(ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1)
    assert version_of(daemon, FAILING, new) == "TLSv1.1"
    assert status(daemon)["begun"] == 1


def test_failures_that_do_not_count(start):
    """Lost connections, and what is no TLS; and a good handshake makes up for one that failed."""
    daemon = start("protocols=>=TLSv1")
    for data in (b"", b"GET / HTTP/1.0\r\n\r\n", b"EHLO client.example\r\n"):
        for _ in range(3):
            with Client(daemon.address, FAILING) as client:
                client.ehlo()
                client.expect(220, "STARTTLS")
                client.send(data)
                if data:
                    client.rest()
    for _ in range(3):
        assert version_of(daemon, FAILING) is None
        assert version_of(daemon, FAILING, tls_context()) == "TLSv1.3"
    assert status(daemon) == {"addresses": 0, "begun": 0, "sessions": 0}


def test_off_by_default(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, smtpd_tls_protocols=">=TLSv1.2")
    assert [version_of(daemon, FAILING) for _ in range(5)] == [None] * 5
    assert "second chance" not in daemon.log() + in_directory(daemon, "status").stdout


@pytest.mark.parametrize("value, told", [("reject", "reject is no chance"),
                                         ("protocol=TLSv1", "did you mean protocols=?"),
                                         ("may until=2030-01-01", "until= has no meaning here")])
def test_check_finds_mistakes(make_gatepost, backend, value, told):
    daemon = make_gatepost(backend.endpoint, start=False, gatepost_second_chance=value)
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode == 1 and told in said(result), said(result)
    assert "gatepost_second_chance" in said(result)


def test_report(start):
    """Who got one, when, and what came of it."""
    daemon = start("protocols=>=TLSv1.1 ciphers=medium")
    middle = tls_context(ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1)
    fail_twice(daemon, FAILING)
    assert [version_of(daemon, FAILING, context) for context in (middle, None, middle)] == \
        ["TLSv1.1", None, "TLSv1.1"]
    fail_twice(daemon, OTHER)
    ledger = Ledger(daemon.ledger_path)
    ledger.wait_peer(FAILING, sessions=5)
    ledger.wait_peer(OTHER, sessions=2)
    found = json.loads(in_directory(daemon, "report", "--json").stdout)
    assert found["second_chance_peers"] == 2
    chances = {row["peer"]: row for row in found["second_chances"]}
    counts = ("begun", "sessions", "established", "failed")
    assert [chances[FAILING][name] for name in counts] == [1, 3, 2, 1]
    assert [chances[OTHER][name] for name in counts] == [1, 0, 0, 0]
    assert abs(chances[OTHER]["first"] - time.time()) < 600
    peers = {peer["address"]: peer for peer in found["peers"]}
    assert peers[FAILING]["second_chance"]["established"] == 2
    [policy] = [row for row in found["policies"] if row["policy"] == "gatepost_second_chance"]
    assert (policy["sessions"], policy["line"], policy["state"]) == \
        (3, "protocols=>=TLSv1.1 ciphers=medium", None)
    text = in_directory(daemon, "report").stdout
    assert re.search(rf"\nSecond chances .*\n(.*\n)?  {FAILING} +1 +3 +2 +1 +0 ", text), text
    page = in_directory(daemon, "report", "--html", "-").stdout
    assert "<h2>Second chances</h2>" in page
    rows = {row["address"]: row
            for row in csv.DictReader(io.StringIO(in_directory(daemon, "report", "--csv").stdout))}
    assert (rows[FAILING]["second_chances"], rows[FAILING]["second_chance_established"]) == ("1", "2")
