"""The ledger: what is recorded of sessions, and that mail does not depend on it."""

import contextlib
import os
import pwd
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import threading
import time

import pytest

from harness import pki
from harness.client import Client, tls_context
from harness.daemon import process_status, run_command
from harness.ledger import Ledger
from harness.wait import wait_until

NOBODY = pwd.getpwnam("nobody")
TLS = ssl.TLSVersion
MESSAGE = b"Subject: x\r\n\r\nsome text\r\n"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="changes users and mounts")


@pytest.fixture(name="daemon")
def make_daemon(make_gatepost, backend):
    """In front of a scripted backend."""
    return make_gatepost(backend.endpoint)


@pytest.fixture(name="ledger")
def make_ledger(daemon):
    """Its ledger."""
    return Ledger(daemon.ledger_path)


def session(daemon, source, context=None, messages=0, helo="client.example"):
    """A whole session, with TLS if there is a context."""
    with Client(daemon.address, source) as client:
        client.ehlo(helo)
        if context:
            client.starttls(context)
            client.ehlo(helo)
        for _ in range(messages):
            client.deliver("someone@gatepost.test", MESSAGE)
        client.quit()


def restart(daemon):
    """Starts it again, with a new log."""
    os.unlink(daemon.log_path)
    daemon.start()


def status(daemon):
    """`gatepost status`."""
    return run_command("-c", daemon.directory, "status").stdout


def test_database_belongs_to_the_user_alone(daemon, ledger):
    session(daemon, "127.0.0.2")
    ledger.wait_peer("127.0.0.2", sessions=1)
    directory = os.stat(os.path.dirname(ledger.path))
    assert stat.S_IMODE(directory.st_mode) == 0o750
    for name in os.listdir(os.path.dirname(ledger.path)):
        found = os.stat(os.path.join(os.path.dirname(ledger.path), name))
        assert stat.S_IMODE(found.st_mode) == 0o640, name
        assert found.st_uid == directory.st_uid == (NOBODY.pw_uid if os.getuid() == 0
                                                    else os.getuid())


@needs_root
def test_process_has_little(daemon):
    [pid] = wait_until(daemon.ledgers, "the ledger")
    found = process_status(pid)
    assert {int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} \
        == {0}
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    assert set(found["Uid"].split()) == {str(NOBODY.pw_uid)}
    assert os.readlink(f"/proc/{pid}/root") == os.path.dirname(daemon.ledger_path)
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        assert target.startswith(("socket:", "pipe:", "anon_inode:", "/dev/null", "/ledger.db",
                                  os.path.dirname(daemon.ledger_path), daemon.stderr_path)), target


def test_session_without_tls(daemon, ledger):
    before = int(time.time())
    session(daemon, "127.0.0.2", messages=2, helo="<b>&\"plain")
    peer = ledger.wait_peer("127.0.0.2", sessions=1)
    assert before <= peer["first"] <= peer["last"] <= time.time()
    assert (peer["messages"], peer["cleartext_messages"], peer["cleartext_sessions"]) == (2, 2, 1)
    assert peer["bytes"] == 2 * len(MESSAGE)
    assert (peer["established"], peer["failed"], peer["resumed"]) == (0, 0, 0)
    assert peer["helo"] == b"<b>&\"plain" and peer["ccert_status"] is None
    assert ledger.policies(peer) == [("main configuration", "", "may", 1)]
    assert not ledger.tls(peer) and not ledger.failures(peer) and not ledger.hellos(peer)
    assert ledger.days() == {("protocol", "none"): (1, 2)}


def test_session_over_ipv6(daemon, ledger):
    with Client(daemon.address6) as client:
        client.quit()
    assert ledger.wait_peer("::1", sessions=1)["helo"] is None


@pytest.mark.parametrize("version, protocol", [(TLS.TLSv1_2, "TLSv1.2"), (TLS.TLSv1_3, "TLSv1.3")])
def test_session_with_tls(daemon, ledger, version, protocol):
    session(daemon, "127.0.0.3", tls_context(version, version), messages=3)
    peer = ledger.wait_peer("127.0.0.3", sessions=1)
    assert (peer["established"], peer["failed"], peer["cleartext_sessions"]) == (1, 0, 0)
    assert (peer["messages"], peer["cleartext_messages"]) == (3, 0)
    assert peer["ccert_status"] == "Anonymous"
    [tls] = ledger.tls(peer)
    assert (tls["protocol"], tls["sessions"], tls["messages"]) == (protocol, 1, 3)
    assert "AES" in tls["cipher"] or "CHACHA" in tls["cipher"]
    if version == TLS.TLSv1_3:
        assert (tls["group"], tls["signature"]) == ("x25519", "ECDSA (prime256v1)")
    [hello] = ledger.hellos(peer)
    assert (hello["established"], hello["failed"], hello["messages"]) == (1, 0, 3)
    assert len(hello["digest"]) == 16 and hello["count"] == 1
    assert hello["bytes"][:2] == b"\x03\x03" and b"front.gatepost.test" in hello["bytes"]
    assert ledger.days()["protocol", protocol] == (1, 3)


def test_one_software_has_one_hello(daemon, ledger):
    """Randoms, keys, tickets, names and what resumes a session do not count; ciphers do."""
    context = tls_context(TLS.TLSv1_3, TLS.TLSv1_3)
    for _ in range(3):
        session(daemon, "127.0.0.3", context)
    with Client(daemon.address, "127.0.0.3") as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        client.socket = context.wrap_socket(client.socket, server_hostname="a.other.example")
        client.ehlo()
        client.quit()
    with Client(daemon.address, "127.0.0.3") as client:
        client.ehlo()
        client.starttls(context)
        client.ehlo()
        ticket = client.socket.session
    with Client(daemon.address, "127.0.0.3") as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        client.socket = context.wrap_socket(client.socket, server_hostname="front.gatepost.test",
                                            session=ticket)
        client.ehlo()
        assert client.socket.session_reused
        client.quit()
    peer = ledger.wait_peer("127.0.0.3", sessions=6, resumed=1)
    [hello] = ledger.hellos(peer)
    assert hello["established"] == 6
    session(daemon, "127.0.0.3", tls_context(TLS.TLSv1_2, TLS.TLSv1_2))
    assert len(ledger.hellos(ledger.wait_peer("127.0.0.3", sessions=7))) == 2


def test_failed_handshake(make_gatepost, backend):
    """What the client offered is there, and the policy that applied."""
    daemon = make_gatepost(backend.endpoint, smtpd_tls_protocols=">=TLSv1.2")
    ledger = Ledger(daemon.ledger_path)
    with pytest.raises((ssl.SSLError, OSError)):
        session(daemon, "127.0.0.4", tls_context(TLS.TLSv1, TLS.TLSv1))
    peer = ledger.wait_peer("127.0.0.4", sessions=1)
    assert (peer["established"], peer["failed"], peer["cleartext_sessions"]) == (0, 1, 0)
    [failure] = ledger.failures(peer)
    assert (failure["count"], failure["kind_text"]) == (1, "protocol_too_old")
    assert "offers TLS 1.0" in failure["reason"] and failure["place"] == "main configuration"
    [hello] = ledger.hellos(peer)
    assert (hello["established"], hello["failed"]) == (0, 1)
    assert hello["bytes"][:2] == b"\x03\x01"
    assert ledger.days()["failure", failure["kind_text"]] == (1, 0)


def test_not_tls(daemon, ledger):
    """A client that goes on in cleartext, and one that closes: no ClientHello."""
    for data in (b"EHLO again\r\n", b""):
        with Client(daemon.address, "127.0.0.4") as client:
            client.ehlo()
            client.expect(220, "STARTTLS")
            client.send(data)
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()
    peer = ledger.wait_peer("127.0.0.4", sessions=2, failed=2)
    assert not ledger.hellos(peer)
    assert {row["kind_text"]: row["count"] for row in ledger.failures(peer)} == \
        {"not_tls": 1, "client_closed": 1}


def test_policy_line(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False)
    path = daemon.path("policy")
    with open(path, "w", encoding="ascii") as file:
        file.write("# lines\n127.0.0.5 encrypt\n127.0.0.6 reject\n127.0.0.7 none\n")
    daemon.write_config(smtpd_tls_policy_maps=f"cidr:{path}")
    daemon.start()
    ledger = Ledger(daemon.ledger_path)
    session(daemon, "127.0.0.5", tls_context())
    with Client(daemon.address, "127.0.0.6", greeting=False) as client:
        assert client.reply().code == 421
    session(daemon, "127.0.0.7")
    for source, level in (("127.0.0.5", "encrypt"), ("127.0.0.6", "reject"), ("127.0.0.7", "none")):
        peer = ledger.wait_peer(source, sessions=1)
        [(place, line, found, sessions)] = ledger.policies(peer)
        assert place.endswith(path) and line == f"{source}/32 {level}"
        assert (found, sessions) == (level, 1)


def test_client_certificate(make_gatepost, backend, directory):
    authority = pki.Authority("Ledger CA")
    trusted = authority.issue("client <i>one</i>", usage="client")
    ca_file = pki.write(directory, "ca.pem", authority.pem)
    os.chmod(ca_file, 0o644)
    daemon = make_gatepost(backend.endpoint, smtpd_tls_ask_ccert="yes", smtpd_tls_CAfile=ca_file,
                           smtpd_tls_fingerprint_digest="sha256")
    ledger = Ledger(daemon.ledger_path)
    context = tls_context(TLS.TLSv1_3)
    context.load_cert_chain(pki.write(directory, "client.pem", trusted.key_pem, trusted.pem))
    session(daemon, "127.0.0.8", context)
    peer = ledger.wait_peer("127.0.0.8", sessions=1)
    assert peer["ccert_subject"] == b"client <i>one</i>" and peer["ccert_status"] == "Trusted"
    assert peer["ccert_fingerprint"] == trusted.fingerprint


def test_client_certificate_that_is_missing(make_gatepost, backend):
    """TLS was established, and came to nothing."""
    daemon = make_gatepost(backend.endpoint, smtpd_tls_security_level="encrypt",
                           smtpd_tls_req_ccert="yes")
    ledger = Ledger(daemon.ledger_path)
    with Client(daemon.address, "127.0.0.8") as client:
        client.ehlo()
        client.starttls()
        assert client.command("EHLO again").code == 421
    peer = ledger.wait_peer("127.0.0.8", sessions=1)
    assert (peer["established"], peer["failed"]) == (1, 1)
    [failure] = ledger.failures(peer)
    assert failure["kind_text"] == "ccert_missing"
    [hello] = ledger.hellos(peer)
    assert (hello["established"], hello["failed"]) == (0, 1)


class Load:
    """Sessions without end, until it is left; none may fail."""

    def __init__(self, daemon, clients=4):
        self.daemon, self.done, self.failures = daemon, 0, []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(f"127.0.1.{number + 1}",))
                         for number in range(clients)]

    def _run(self, source):
        context = tls_context(TLS.TLSv1_3)
        while not self._stop.is_set():
            try:
                session(self.daemon, source, context, messages=1)
                self.done += 1
            except Exception as error:  # pylint: disable=broad-exception-caught
                self.failures.append(error)
                return

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.failures, self.failures


def wait_done(load, count):
    """Waits until the load has got so much further."""
    goal = load.done + count
    wait_until(lambda: load.done >= goal or load.failures, "sessions")


@pytest.mark.slow
def test_killed_under_load(daemon, ledger):
    """Service goes on, it is replaced, and the database is whole."""
    with Load(daemon) as load:
        for _ in range(5):
            wait_done(load, 20)
            [victim] = wait_until(daemon.ledgers, "the ledger")
            os.kill(victim, signal.SIGKILL)
            daemon.wait_log(rf"warning: ledger process {victim} was killed by signal 9")
            wait_until(lambda old=victim: set(daemon.ledgers()) - {old}, "a new ledger")
        before = ledger.total()
        wait_until(lambda: ledger.total() > before, "records of the new one")
    daemon.stop()
    assert ledger.integrity() == ["ok"]
    assert 0 < ledger.total() <= load.done


def test_nothing_is_lost_at_the_end(daemon, ledger):
    """What workers have seen is written when gatepost stops, and kept over restarts."""
    for _ in range(10):
        session(daemon, "127.0.0.2")
    daemon.stop()
    assert ledger.peer("127.0.0.2")["sessions"] == 10
    restart(daemon)
    session(daemon, "127.0.0.2")
    ledger.wait_peer("127.0.0.2", sessions=11)


def test_reload_keeps_it(daemon, ledger):
    session(daemon, "127.0.0.2")
    [before] = wait_until(daemon.ledgers, "the ledger")
    daemon.reload()
    session(daemon, "127.0.0.2")
    ledger.wait_peer("127.0.0.2", sessions=2)
    assert daemon.ledgers() == [before]
    daemon.write_config(gatepost_ledger_max_peers="5000")
    daemon.reload()
    wait_until(lambda: daemon.ledgers() not in ([], [before]), "another ledger")
    session(daemon, "127.0.0.2")
    ledger.wait_peer("127.0.0.2", sessions=3)


def test_turned_off_and_on(daemon, ledger):
    session(daemon, "127.0.0.2")
    ledger.wait_peer("127.0.0.2", sessions=1)
    daemon.write_config(gatepost_ledger="no")
    daemon.reload()
    wait_until(lambda: not daemon.ledgers(), "its end")
    session(daemon, "127.0.0.2")
    assert "ledger " not in status(daemon).replace("ledger records dropped 0", "")
    daemon.write_config(gatepost_ledger="yes")
    daemon.reload()
    session(daemon, "127.0.0.2")
    ledger.wait_peer("127.0.0.2", sessions=2)
    assert "ledger" in status(daemon)


def test_never_there(make_gatepost, backend):
    """gatepost_ledger = no: no process and no file."""
    daemon = make_gatepost(backend.endpoint, gatepost_ledger="no")
    session(daemon, "127.0.0.2", tls_context())
    assert not daemon.ledgers()
    assert not os.path.exists(os.path.dirname(daemon.ledger_path))


def test_damaged_database(daemon, ledger):
    """It is set aside, and said to be."""
    daemon.stop()
    with open(ledger.path, "r+b") as file:
        file.write(b"not a database at all" * 100)
    restart(daemon)
    daemon.wait_log(r"gatepost/ledger\[\d+\]: error: .*ledger\.db is damaged: .*"
                    r"it has been renamed to .*ledger\.db\.corrupt")
    session(daemon, "127.0.0.2")
    ledger.wait_peer("127.0.0.2", sessions=1)
    with open(ledger.path + ".corrupt", "rb") as file:
        assert file.read().startswith(b"not a database")


def test_database_of_a_later_version(daemon, ledger):
    """It is left alone; mail goes on."""
    daemon.stop()
    with contextlib.closing(sqlite3.connect(ledger.path)) as database:
        database.execute("UPDATE meta SET value = 99 WHERE key = 'version'")
        database.commit()
    restart(daemon)
    daemon.wait_log(r"gatepost/ledger\[\d+\]: error: .*its version is 99, and this gatepost knows")
    session(daemon, "127.0.0.2", tls_context(), messages=1)
    wait_until(lambda: "lost 2," in status(daemon), "the count of a hello and a session")
    assert "cannot use its database" in status(daemon)
    assert not ledger.rows("SELECT * FROM peer")


def test_directory_cannot_be_made(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False)
    with open(os.path.dirname(daemon.ledger_path), "w", encoding="ascii"):
        pass
    daemon.start()
    daemon.wait_log(r"gatepost/ledger\[\d+\]: error: .*/ledger: must be a directory that belongs to")
    session(daemon, "127.0.0.2", tls_context(), messages=1)
    wait_until(lambda: not daemon.ledgers(), "its end")
    assert "ledger: not running, see the log" in status(daemon)
    os.unlink(os.path.dirname(daemon.ledger_path))
    daemon.reload()
    session(daemon, "127.0.0.2")
    Ledger(daemon.ledger_path).wait_peer("127.0.0.2", sessions=2)  # the first one waited


@pytest.fixture(name="small_disk")
def make_small_disk(directory):
    """A file system of a megabyte."""
    path = os.path.join(directory, "disk")
    os.mkdir(path)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", path],
                             check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.slow
@needs_root
def test_full_disk(make_gatepost, backend, small_disk):
    """Said once; mail goes on; when there is room again, it goes on where it was."""
    daemon = make_gatepost(backend.endpoint, gatepost_state_directory=small_disk)
    ledger = Ledger(daemon.ledger_path)
    session(daemon, "127.0.0.2")
    ledger.wait_peer("127.0.0.2", sessions=1)
    ballast = os.path.join(small_disk, "ballast")
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    with Load(daemon) as load:
        daemon.wait_log(r"gatepost/ledger\[\d+\]: error: .*(full|I/O error).*"
                        r"sessions are served but not recorded")
        wait_done(load, 20)
    assert "cannot use its database" in status(daemon)
    os.unlink(ballast)
    daemon.wait_log(r"gatepost/ledger\[\d+\]: .*can be used again; \d+ records were lost")
    session(daemon, "127.0.0.9")
    ledger.wait_peer("127.0.0.9", sessions=1)
    assert ledger.peer("127.0.0.2")["sessions"] == 1
    assert ledger.integrity() == ["ok"]
    assert daemon.log().count("sessions are served but not recorded") <= 2


def test_status(daemon):
    session(daemon, "127.0.0.2")
    wait_until(lambda: "records 1," in status(daemon), "the count")
    line = next(line for line in status(daemon).splitlines() if line.startswith("ledger "))
    assert "serving, records 1, lost 0, peers 1" in line
