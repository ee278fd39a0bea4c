"""gatepost_metrics_listen: each number moves by what the clients did, no more and no less, and
lasts over reloads and the end of processes."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import time

import pytest

from harness.backend_dialogue import Say
from harness.certs import make_certificate
from harness.client import Client, tls_context
from harness.daemon import HOSTNAME, process_status, run_command
from harness.metrics import ROOT, Page, defined, listen, request, scrape, wait_scrape
from harness.ports import free_port
from harness.table import use_table
from harness.wait import wait_until

TLS = ssl.TLSVersion
MESSAGE = b"Subject: x\r\n\r\nsome text\r\n"
STARTED = "gatepost_start_time_seconds"


@pytest.fixture(name="daemon")
def make_daemon(make_gatepost, backend):
    """In front of a scripted backend, not running yet; exempts nobody from limits."""
    daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_protocols=">=TLSv1.2",
                           smtpd_tls_session_cache_timeout="3600s",
                           smtpd_client_event_limit_exceptions="127.0.0.9")
    return listen(daemon)


def session(daemon, source="127.0.0.2", context=None, messages=0):
    """A whole session, with TLS if there is a context."""
    with Client(daemon.address, source) as client:
        client.ehlo("client.example")
        if context:
            client.starttls(context)
            client.ehlo("client.example")
        for _ in range(messages):
            client.deliver("someone@gatepost.test", MESSAGE)
        client.quit()


def fail(daemon, context, source="127.0.0.2"):
    """A handshake that does not come to anything."""
    with contextlib.suppress(ssl.SSLError, ConnectionResetError):
        session(daemon, source, context)
        raise AssertionError("the handshake was good")


def ended(page):
    """No session is open."""
    return page.get("gatepost_sessions_open") == 0


def moved(before, after):
    """What has changed, without what the clock moves: {(name, labels): difference}."""
    keys = set(before.samples) | set(after.samples)
    found = {key: after.samples.get(key, 0) - before.samples.get(key, 0) for key in keys}
    return {(name, tuple(sorted(labels))): value for (name, labels), value in found.items()
            if value and not name.endswith(("_sum", "_bucket")) and "_ledger_" not in name}


def expect(name, value=1, **labels):
    """An entry of moved()."""
    return ((name, tuple(sorted(labels.items()))), value)


def policy(level="may", source="main"):
    """The entry for one session's policy."""
    return expect("gatepost_policy_sessions_total", level=level, source=source)


SESSION = [expect("gatepost_sessions_total"), policy()]
TLS13 = [expect("gatepost_handshakes_total", protocol="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384",
                group="x25519"),
         expect("gatepost_client_certificates_total", status="none"),
         expect("gatepost_handshake_duration_seconds_count")]
TLS12 = [expect("gatepost_handshakes_total", protocol="TLSv1.2", group="secp256r1",
                cipher="ECDHE-ECDSA-CHACHA20-POLY1305"), *TLS13[1:]]
DELIVERY = [expect("gatepost_backend_connections_total"),
            expect("gatepost_backend_connect_duration_seconds_count")]


def content(transport, count=1):
    """Entries for so many messages."""
    return [expect("gatepost_messages_total", count, transport=transport),
            expect("gatepost_message_bytes_total", count * len(MESSAGE), transport=transport),
            expect("gatepost_backend_reply_duration_seconds_count", count)]


def reason(name):
    """The entry for a handshake that failed."""
    return expect("gatepost_handshake_failures_total", reason=name)


def not_tls(daemon):
    """What comes after STARTTLS is SMTP."""
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        assert client.command("STARTTLS").code == 220
        client.send(b"EHLO client.example\r\n")
        client.rest()


def closes(daemon):
    """The client goes where TLS is to begin."""
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        assert client.command("STARTTLS").code == 220


CASES = {
    "plain": (session, {}, SESSION),
    "plain message": (session, {"messages": 2}, [*SESSION, *DELIVERY, *content("cleartext", 2)]),
    "TLS 1.3": (session, {"context": tls_context(TLS.TLSv1_3)}, [*SESSION, *TLS13]),
    "TLS 1.2": (session, {"context": tls_context(maximum=TLS.TLSv1_2, group="prime256v1",
                                                 ciphers="ECDHE-ECDSA-CHACHA20-POLY1305")},
                [*SESSION, *TLS12]),
    "TLS messages": (session, {"context": tls_context(TLS.TLSv1_3), "messages": 3},
                     [*SESSION, *TLS13, *DELIVERY, *content("tls", 3)]),
    "too old": (fail, {"context": tls_context(maximum=TLS.TLSv1_1)},
                [*SESSION, reason("protocol_too_old")]),
    "no cipher": (fail, {"context": tls_context(maximum=TLS.TLSv1_2, ciphers="AES128-SHA")},
                  [*SESSION, reason("no_certificate_type")]),
    "not TLS": (not_tls, {}, [*SESSION, reason("not_tls")]),
    "goes away": (closes, {}, [*SESSION, reason("client_closed")]),
    "table": (session, {"source": "127.0.0.3"},
              [SESSION[0], policy("encrypt", "table")]),
    "reject": (lambda daemon: Client(daemon.address, "127.0.0.4").close(), {},
               [SESSION[0], policy("reject", "table")]),
}


def test_each_moves_what_it_should(daemon):
    """One client after the other; everything that moves, and nothing else."""
    use_table(daemon, ["127.0.0.3 encrypt", "127.0.0.4 reject"]).start()
    before = wait_scrape(daemon, ended, "the first page")
    for name, (run, options, expected) in CASES.items():
        run(daemon, **options)
        done = before.get("gatepost_sessions_total") + 1
        after = wait_scrape(daemon, lambda page, count=done: ended(page) and
                            page.get("gatepost_sessions_total") == count, "the end of the session")
        assert moved(before, after) == dict(expected), name
        before = after


def test_histograms_agree(daemon):
    """Buckets grow, the last one is the count, and the sum is within them."""
    daemon.start()
    for _ in range(5):
        session(daemon, context=tls_context(), messages=1)
    page = wait_scrape(daemon, ended, "the end")
    for metric in defined().values():
        if metric.type != "histogram":
            continue
        bounds = sorted((float(labels["le"]), page.get(metric.name + "_bucket", **labels))
                        for labels in page.labels(metric.name + "_bucket"))
        counts = [count for _, count in bounds]
        assert counts == sorted(counts) and bounds[-1][0] == float("inf")
        assert counts[-1] == page.get(metric.name + "_count") == 5, metric.name
        low = sum(before * (later - earlier) for (before, earlier), (_, later)
                  in zip([(0, 0), *bounds[:-1]], bounds))
        assert low <= page.get(metric.name + "_sum"), metric.name
        assert page.get(metric.name + "_sum") > 0


def test_slow_backend_shows(daemon, backend):
    """A reply that takes its time is counted where it belongs."""
    daemon.start()
    backend.arm("END", Say(b"250 2.0.0 Ok\r\n", pause=1.1, accepts=True))
    session(daemon, messages=1)
    page = wait_scrape(daemon, ended, "the end")
    name = "gatepost_backend_reply_duration_seconds"
    assert page.get(name + "_bucket", le="1") == 0 and page.get(name + "_count") == 1
    assert page.get(name + "_sum") >= 1.1


def test_resumption_and_client_certificate(daemon, directory):
    daemon.write_config(smtpd_tls_ask_ccert="yes")
    daemon.start()
    own = make_certificate(directory, "rsa", "client.example")
    context = tls_context(maximum=TLS.TLSv1_2)
    context.load_cert_chain(own.cert, own.key)
    session(daemon, context=context)
    context = tls_context(maximum=TLS.TLSv1_2)
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.starttls(context)
        ticket = client.socket.session
        client.quit()
    with Client(daemon.address, "127.0.0.2", greeting=False) as client:
        client.reply()
        client.ehlo()
        assert client.command("STARTTLS").code == 220
        client.socket = context.wrap_socket(client.socket, session=ticket)
        assert client.socket.session_reused
        client.ehlo()
        client.quit()
    page = wait_scrape(daemon, ended, "the end")
    assert page.get("gatepost_handshakes_resumed_total", protocol="TLSv1.2") == 1
    assert page.get("gatepost_client_certificates_total", status="untrusted") == 1
    assert page.get("gatepost_client_certificates_total", status="none") == 2
    assert page.sum("gatepost_handshakes_total") == 3


def limited(daemon, connect, name, **parameters):
    """With one more client than may be, each limit is counted once."""
    daemon.write_config(**parameters)
    daemon.start()
    assert connect(daemon).greeting.code == 220
    assert connect(daemon).greeting.code == 421
    page = scrape(daemon)
    assert page.get("gatepost_limits_hit_total", limit=name) == 1
    assert page.sum("gatepost_limits_hit_total") == 1


def test_limit_on_connections(daemon, connect):
    limited(daemon, connect, "client_connections", smtpd_client_connection_count_limit="1")


def test_limit_on_connection_rate(daemon, connect):
    limited(daemon, connect, "client_connection_rate", smtpd_client_connection_rate_limit="1")


def test_limit_on_sessions_and_stress(daemon, connect):
    limited(daemon, connect, "sessions", gatepost_session_limit="1")
    page = scrape(daemon)
    assert page.get("gatepost_stress") == page.get("gatepost_stress_begun_total") == 1
    assert page.get("gatepost_sessions_limit") == 1 and page.get("gatepost_sessions_open") >= 1


def test_limits_on_messages_tls_errors_and_time(daemon, connect):
    daemon.write_config(smtpd_client_message_rate_limit="1", smtpd_hard_error_limit="2",
                        smtpd_client_new_tls_session_rate_limit="1", smtpd_timeout="1s",
                        smtpd_per_request_deadline="no")
    daemon.start()
    client = connect(daemon, "127.0.0.2")
    client.ehlo()
    client.deliver("someone@gatepost.test", MESSAGE)
    assert client.command("MAIL FROM:<a@b.example>").code == 450
    client.quit()
    session(daemon, "127.0.0.3", tls_context())
    client = connect(daemon, "127.0.0.3")
    client.ehlo()
    client.starttls(tls_context())
    assert b"421 4.7.0" in client.rest()
    client = connect(daemon, "127.0.0.4")
    client.ehlo()
    client.send(b"STARTTLS x\r\nSTARTTLS x\r\nSTARTTLS x\r\n")
    assert b"421 4.7.0" in client.rest()
    assert b"421 4.4.2" in connect(daemon, "127.0.0.5").rest()
    page = wait_scrape(daemon, ended, "the end")
    for limit in ("client_message_rate", "client_tls_rate", "errors", "client_timeout"):
        assert page.get("gatepost_limits_hit_total", limit=limit) == 1, limit
    assert page.sum("gatepost_limits_hit_total") == 4


def test_second_chances(daemon):
    daemon.write_config(gatepost_second_chance="protocols=>=TLSv1 ciphers=medium",
                        gatepost_second_chance_failures="1")
    daemon.start()
    fail(daemon, tls_context(maximum=TLS.TLSv1))
    daemon.wait_log("second chance of .* begins, ")
    session(daemon, context=tls_context(maximum=TLS.TLSv1))
    page = wait_scrape(daemon, lambda page: page.get("gatepost_second_chance_sessions_total") == 1,
                       "a chance that was used")
    assert page.get("gatepost_second_chances") == 1
    assert page.get("gatepost_second_chances_begun_total") == 1
    assert page.get("gatepost_policy_sessions_total", level="may", source="second_chance") == 1
    assert page.sum("gatepost_handshakes_total", protocol="TLSv1") == 1


def test_backends(make_gatepost, make_backend):
    """The first one is gone, the second one serves, and it comes back."""
    first, second = make_backend(), make_backend()
    daemon = listen(make_gatepost(f"{first.endpoint}, {second.endpoint}", start=False))
    daemon.start()
    up = {"listener": f"127.0.0.1:{daemon.port}", "backend": first.endpoint}
    page = scrape(daemon)
    assert page.sum("gatepost_backend_up") == 4, "two listeners, two backends"
    first.close()
    session(daemon, messages=1)
    page = wait_scrape(daemon, lambda page: page.get("gatepost_backend_up", **up) == 0, "down")
    assert page.get("gatepost_backend_up", **up | {"backend": second.endpoint}) == 1
    assert page.get("gatepost_backend_failures_total") >= 1
    assert page.sum("gatepost_messages_total") == 1


def test_certificates(daemon, certificates):
    """The end of what is served; and of what replaces it."""
    def ends(cert):
        text = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", cert], check=True,
                              capture_output=True, text=True).stdout
        return ssl.cert_time_to_seconds(text.strip().partition("=")[2])
    daemon.start()
    name = "gatepost_certificate_expiry_timestamp_seconds"
    cert = certificates["ecdsa"].cert
    page = scrape(daemon)
    assert page.get(name, name=HOSTNAME, key="ECDSA (prime256v1)") == ends(cert)
    assert len(page.labels(name)) == 1, "both listeners have the same"
    cert, key = certificates["rsa"].cert, certificates["rsa"].key
    daemon.write_config(smtpd_tls_cert_file=cert, smtpd_tls_key_file=key)
    daemon.reload()
    page = scrape(daemon)
    [labels] = page.labels(name)
    assert labels["key"].startswith("RSA") and page.get(name, **labels) == ends(cert)


def test_exceptions(daemon):
    use_table(daemon, ["127.0.1.1 may until=2000-01-01", "127.0.1.2 may until=2200-01-01",
                       "127.0.1.3 may until=2100-01-01", "127.0.1.4 may"]).start()
    page = scrape(daemon)
    assert page.get("gatepost_policy_exceptions", state="dated") == 2
    assert page.get("gatepost_policy_exceptions", state="expired") == 1
    ends = page.get("gatepost_policy_exception_expiry_timestamp_seconds")
    assert time.gmtime(ends)[:2] in ((2100, 1), (2099, 12), (2100, 2))


def test_reload_keeps_counts(daemon):
    daemon.start()
    session(daemon, context=tls_context(), messages=1)
    before = wait_scrape(daemon, ended, "the end")
    daemon.reload()
    after = wait_scrape(daemon, lambda page: not page.get("gatepost_workers", state="finishing"),
                        "the end of the old workers")
    changed = {name for name, _ in moved(before, after)}
    assert changed <= {"gatepost_configuration_generation", "gatepost_reloads_total",
                       "gatepost_last_reload_success_timestamp_seconds"}, changed
    assert after.get("gatepost_reloads_total", kind="configuration", result="ok") == 1
    assert after.get("gatepost_configuration_generation") == 2
    daemon.write_config(smtpd_tls_security_level="nonsense")
    assert run_command("-c", daemon.directory, "reload").returncode == 1
    after = scrape(daemon)
    assert after.get("gatepost_reloads_total", kind="configuration", result="failed") == 1
    assert after.get("gatepost_last_reload_successful") == 0
    assert after.get("gatepost_configuration_generation") == 2
    session(daemon, context=tls_context(), messages=1)
    after = wait_scrape(daemon, ended, "the end")
    assert after.sum("gatepost_handshakes_total") == after.sum("gatepost_messages_total") == 2


def is_back(daemon, role):
    """The page, once a process that was killed has been replaced."""
    with contextlib.suppress(ConnectionError):
        page = scrape(daemon)
        if page.get("gatepost_process_restarts_total", process=role) == 1 and \
                page.get("gatepost_workers", state="serving") == 2:
            return page
    return None


def test_killed_processes(daemon):
    """Workers, keys and the ledger come back, and nothing is forgotten."""
    daemon.start()
    session(daemon, context=tls_context(), messages=1)
    before = wait_scrape(daemon, ended, "the end")
    for role, pids in (("ledger", daemon.ledgers()), ("worker", daemon.workers()),
                       ("keys", daemon.key_processes())):
        os.kill(pids[0], signal.SIGKILL)
        page = wait_until(lambda role=role: is_back(daemon, role), f"what replaces the {role}")
    for name in ("gatepost_sessions_total", "gatepost_messages_total", "gatepost_handshakes_total",
                 "gatepost_message_bytes_total", STARTED):
        assert page.sum(name) == before.sum(name), name


@pytest.mark.parametrize("ledger", ["yes", "no"])
def test_without_ledger(daemon, ledger):
    """The process has a database or not; what it shows is otherwise the same."""
    daemon.write_config(gatepost_ledger=ledger)
    daemon.start()
    session(daemon, context=tls_context(), messages=1)
    page = wait_scrape(daemon, ended, "the end")
    assert page.sum("gatepost_messages_total") == page.sum("gatepost_handshakes_total") == 1
    assert page.get("gatepost_handshake_duration_seconds_count") == 1
    assert len(page.labels("gatepost_ledger_up")) == (1 if ledger == "yes" else 0)
    assert os.path.exists(daemon.ledger_path) == (ledger == "yes")
    if ledger == "yes":
        wait_scrape(daemon, lambda page: page.get("gatepost_ledger_peers") == 1 and
                    page.get("gatepost_ledger_records_total") > 0, "the record")
    text = run_command("-c", daemon.directory, "status").stdout
    assert re.search(r"^(ledger|metrics) \d+: serving", text, re.M)[1] == \
        ("ledger" if ledger == "yes" else "metrics")


def test_broken_database(daemon):
    """It is said, and the rest goes on."""
    daemon.start()
    session(daemon)
    wait_scrape(daemon, lambda page: page.get("gatepost_ledger_up") == 1, "the ledger")
    daemon.stop()
    shutil.rmtree(os.path.dirname(daemon.ledger_path))
    with open(os.path.dirname(daemon.ledger_path), "w", encoding="ascii"):
        pass
    os.unlink(daemon.log_path)
    daemon.start()
    daemon.wait_log("sessions are served but not recorded")
    session(daemon, messages=1)
    page = wait_scrape(daemon, ended, "the end")
    assert page.sum("gatepost_messages_total") == 1 and not page.labels("gatepost_ledger_up")


def test_addresses_change(daemon):
    """A reload moves them, ends them and begins them; counts stay."""
    daemon.start()
    session(daemon)
    old = daemon.metrics_port
    path = daemon.path("metrics.socket")
    new = free_port()
    daemon.write_config(gatepost_metrics_listen=f"127.0.0.1:{new}, unix:{path}")
    daemon.reload()
    daemon.metrics_port = new

    def answers(where):
        with contextlib.suppress(OSError):
            return request(where)[0] == 200
        return False
    wait_until(lambda: answers(new) and answers(path), "both")
    assert not answers(old)
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    assert scrape(daemon).get("gatepost_sessions_total") == 1
    [pid] = daemon.ledgers()
    daemon.reload()
    assert answers(new) and daemon.ledgers() == [pid], "nothing changed, so nothing is replaced"
    daemon.write_config(gatepost_metrics_listen="")
    daemon.reload()
    wait_until(lambda: not answers(new) and not answers(path), "the end of both")


def test_nothing_listens_by_default(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint)
    [pid] = wait_until(daemon.ledgers, "the ledger")
    sockets = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    with open("/proc/net/tcp", encoding="ascii") as file:
        inodes = {line.split()[9] for line in file.readlines()[1:] if line.split()[3] == "0A"}
    assert not {f"socket:[{inode}]" for inode in inodes} & set(sockets)


@pytest.mark.parametrize("value, words", [
    ("9290", "gatepost_metrics_listen"), ("127.0.0.1:0", "gatepost_metrics_listen"),
    ("unix:relative", "gatepost_metrics_listen"), ("::1:9290", "gatepost_metrics_listen"),
    ("127.0.0.1:9290 127.0.0.1:port/x", "gatepost_metrics_listen"),
])
def test_bad_value(daemon, value, words):
    daemon.write_config(gatepost_metrics_listen=value)
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode == 1 and words in result.stdout + result.stderr, result


def test_address_in_use(daemon):
    """Refused at the start, and at a reload, which then changes nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon.start()
        daemon.write_config(gatepost_metrics_listen=f"127.0.0.1:{port}")
        result = run_command("-c", daemon.directory, "reload")
    assert result.returncode == 1
    assert f"gatepost_metrics_listen: cannot listen on 127.0.0.1:{port}" in result.stderr
    assert scrape(daemon).get("gatepost_last_reload_successful") == 0


def test_other_hosts_are_warned_of(daemon):
    daemon.write_config(gatepost_metrics_listen=f"0.0.0.0:{free_port()}")
    daemon.start()
    daemon.wait_log("gatepost_metrics_listen: .* can be reached from other hosts")


@pytest.mark.skipif(os.getuid() != 0, reason="changes users")
@pytest.mark.parametrize("ledger", ["yes", "no"])
def test_process_has_little(daemon, ledger):
    """With metrics as without."""
    daemon.write_config(gatepost_ledger=ledger)
    daemon.start()
    scrape(daemon)
    [pid] = daemon.ledgers()
    found = process_status(pid)
    assert {int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} \
        == {0}
    assert found["Seccomp"] == "2" and found["NoNewPrivs"] == "1" and found["Threads"] == "1"
    root = os.path.dirname(daemon.ledger_path) if ledger == "yes" else daemon.path("empty")
    assert os.readlink(f"/proc/{pid}/root") == root


def test_labels_are_closed_sets(daemon):
    """What a client says never becomes a label."""
    daemon.start()
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo('x"} evil{le="<script>alert(1)</script>')
        client.command('MAIL FROM:<"evil\\"\n>')
        client.quit()
    page = wait_scrape(daemon, ended, "the end")
    assert "evil" not in page.text and "script" not in page.text and "127.0.0.2" not in page.text


def test_documents():
    """docs/metrics.md is what docs/make-metrics makes of the definitions."""
    result = subprocess.run([os.path.join(ROOT, "docs/make-metrics"), "--check"], text=True,
                            capture_output=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr


def test_status_at_a_glance(daemon):
    """The same numbers in words, as JSON, and as they are served; also where nobody serves them."""
    daemon.write_config(gatepost_metrics_listen="")
    daemon.start()
    session(daemon, context=tls_context(TLS.TLSv1_3), messages=2)
    session(daemon, context=tls_context(maximum=TLS.TLSv1_2))
    fail(daemon, tls_context(maximum=TLS.TLSv1_1))
    session(daemon, messages=1)

    def ask(*options):
        result = run_command("-c", daemon.directory, "status", *options)
        assert result.returncode == 0, result
        return result.stdout
    found = wait_until(lambda: (now := json.loads(ask("--json")))["totals"]["sessions"] == 4 and
                       now["totals"]["sessions_open"] == 0 and now, "the end of the sessions")
    assert found["totals"] | {"message_bytes": 0} == {
        "sessions": 4, "sessions_open": 0, "messages": 3, "messages_tls": 2, "message_bytes": 0,
        "handshakes": 2, "handshakes_resumed": 0, "protocols": {"TLSv1.2": 1, "TLSv1.3": 1},
        "handshake_failures": 1, "failures": {"protocol_too_old": 1}, "limits": {}}
    assert found["totals"]["message_bytes"] == 3 * len(MESSAGE)
    assert set(found["last_minute"]) == {"sessions", "handshakes", "handshake_failures", "messages"}
    assert found["reloads"]["generation"] == 1 and found["reloads"]["last_ok"]
    [certificate] = found["certificates"]
    assert certificate["name"] == HOSTNAME and certificate["expires"] > time.time()
    text = ask()
    for line in (r"sessions: 0 open, 4 since the start, [\d.]+ a second in the last minute",
                 r"messages: 3, 2 of them over TLS, \d+ bytes, [\d.]+ a second in the last minute",
                 r"TLS handshakes: 2 \(TLSv1\.2 1, TLSv1\.3 1\), 0 resumed, .*",
                 r"TLS failures: 1 \(protocol_too_old 1\), .*", r"limits hit: 0",
                 r"processes: 2 workers serve, 0 finish, 0 replaced",
                 r"reloads: 0, 0 refused, present configuration since 20\S+ \S+",
                 rf"certificate {re.escape(HOSTNAME)}, ECDSA \(prime256v1\): expires on \S+, "
                 r"in \d+ days"):
        assert re.search(f"^{line}$", text, re.M), f"{line}\n{text}"
    page = Page(ask("--metrics"))
    assert page.get("gatepost_sessions_total") == 4
    assert page.get("gatepost_workers", state="serving") == 2
    assert page.get("gatepost_certificate_expiry_timestamp_seconds", name=HOSTNAME,
                    key="ECDSA (prime256v1)") == certificate["expires"]
    assert run_command("-c", daemon.directory, "status", "--nonsense").returncode == 64
    assert run_command("-c", daemon.directory, "reload", "--metrics").returncode == 64


def test_status_rates(daemon):
    """What came just now shows in the rate, since samples are taken all the time."""
    daemon.start()

    def last_minute():
        text = run_command("-c", daemon.directory, "status", "--json").stdout
        return json.loads(text)["last_minute"]["sessions"]
    assert last_minute() == 0
    wait_until(lambda: session(daemon) or last_minute() > 0, "a rate")
