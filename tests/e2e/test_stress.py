"""Stress mode: under overload what refers to $stress is different, until the overload is over."""

import contextlib
import json
import os
import re
import signal

import pytest

from harness.client import Client
from harness.daemon import HOSTNAME, run_command
from harness.wait import wait_until

TIMEOUT = f"421 4.4.2 {HOSTNAME} Error: timeout exceeded"
TOO_MANY_ERRORS = f"421 4.7.0 {HOSTNAME} Error: too many errors"
ENTER, LEAVE = 18, 14  # of 20 sessions


@pytest.fixture
def make_busy(make_gatepost, backend):
    """make_busy(...): a daemon with few places, and enough handshakes."""
    return lambda **parameters: make_gatepost(backend.endpoint, **(
        {"gatepost_session_limit": "20", "gatepost_handshake_limit": "20"} | parameters))


@pytest.fixture
def fill():
    """fill(daemon, clients, count): connections come or go until there are so many; each of the
    two workers gets half of those that come."""
    with contextlib.ExitStack() as stack:

        def change(daemon, clients, count):
            while len(clients) > count:
                clients.pop().quit()
            first, last = daemon.workers()
            for worker, wanted in ((first, (len(clients) + count + 1) // 2), (last, count)):
                with only(daemon, worker):
                    while len(clients) < wanted:
                        clients.append(stack.enter_context(Client(daemon.address, "127.0.0.2")))
                        assert clients[-1].greeting.code == 220
            return clients

        yield change


@contextlib.contextmanager
def only(daemon, worker):
    """The other workers accept nothing meanwhile."""
    others = [pid for pid in daemon.workers() if pid != worker]
    try:
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda pid=pid: open(f"/proc/{pid}/stat").read().rpartition(") ")[2][0] in
                       "Tt", "the worker to stand still")
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def load_of(daemon):
    """What `gatepost status` says."""
    return json.loads(run_command("-c", daemon.directory, "status", "--json").stdout)["load"]


def wait_load(daemon, stress, sessions=None):
    """Waits until that is so."""
    wait_until(lambda: load_of(daemon)["stress"] == stress and
               sessions in (None, load_of(daemon)["sessions"]), f"stress mode {stress}")


def is_stressed(daemon, worker):
    """Whether a new client of that worker is disconnected after its first error."""
    before = load_of(daemon)["sessions"]
    with only(daemon, worker), Client(daemon.address, "127.0.0.3") as client:
        client.expect(500, "XCLIENT x")
        client.send(b"NOOP\r\n")
        reply = client.reply()
    assert reply.code == 250 or reply.text == TOO_MANY_ERRORS
    wait_until(lambda: load_of(daemon)["sessions"] == before, "that session's end")
    return reply.code != 250


def began(daemon):
    """How often the log says that it began, and that it ended."""
    return [len(re.findall(rf"gatepost/master\[\d+\]: (?:warning: )?stress mode {what}",
                           daemon.log())) for what in ("begins", "ends")]


def test_hysteresis(make_busy, fill, connect):
    """It begins at one level, in all workers, and ends at a lower one."""
    daemon = make_busy()
    assert len(daemon.workers()) == 2
    early = connect(daemon)
    clients = fill(daemon, [], ENTER - 3)
    assert load_of(daemon)["stress"] == "no" and load_of(daemon)["sessions"] == ENTER - 2
    assert not any(is_stressed(daemon, worker) for worker in daemon.workers())
    assert began(daemon) == [0, 0]
    fill(daemon, clients, ENTER - 1)
    assert load_of(daemon)["stress"] == "yes" and load_of(daemon)["stress_times"] == 1
    daemon.wait_log(rf"gatepost/master\[\d+\]: warning: stress mode begins: {ENTER} of 20 sessions, "
                    "0 of 20 TLS handshakes; ")
    assert all(is_stressed(daemon, worker) for worker in daemon.workers())
    fill(daemon, clients, LEAVE)
    wait_load(daemon, "yes", LEAVE + 1)
    assert all(is_stressed(daemon, worker) for worker in daemon.workers())
    for _ in range(3):  # who was there before keeps the old limit on errors
        early.expect(500, "XCLIENT x")
    fill(daemon, clients, LEAVE - 1)
    wait_load(daemon, "no", LEAVE)
    assert not any(is_stressed(daemon, worker) for worker in daemon.workers())
    daemon.wait_log(rf"stress mode ends: {LEAVE} of 20 sessions, ")
    assert began(daemon) == [1, 1]
    early.expect(250, "NOOP")


def test_all_who_are_waited_for_must_hurry(make_busy, fill, backend, connect):
    """Also sessions that were there before, wherever they are."""
    daemon = make_busy(smtpd_timeout="${stress?{1}:{300}}s",
                       smtpd_starttls_timeout="${stress?{1}:{300}}s")
    half = connect(daemon)
    half.send(b"EHLO exam")
    writer = connect(daemon)
    writer.ehlo()
    writer.envelope("r@gatepost.test")
    writer.expect(354, "DATA")
    writer.send(b"Subject: x\r\n")
    protected = connect(daemon)
    protected.starttls()
    shaking = connect(daemon)
    shaking.expect(220, "STARTTLS")
    shaking.send(b"\x16\x03\x01\x02\x00\x01")
    clients = fill(daemon, [], ENTER - 4)
    assert daemon.wait_log(r"stress mode begins")
    for client in (half, writer, protected, *clients):
        assert client.reply().text == TIMEOUT
    assert shaking.rest() == b""
    daemon.wait_log(r"timeout after DATA \(\d+ bytes\) from unknown\[127\.0\.0\.2\]")
    daemon.wait_log(r"SSL_accept error from unknown\[127\.0\.0\.2\]: Connection timed out")
    for client in (half, writer, protected, *clients):
        client.close()
    daemon.wait_log(r"stress mode ends")
    wait_load(daemon, "no", 0)
    assert began(daemon) == [1, 1] and not backend.messages


def test_handshakes(make_busy, connect):
    daemon = make_busy(gatepost_session_limit="100", gatepost_handshake_limit="2")
    first, second = connect(daemon), connect(daemon)
    first.expect(220, "STARTTLS")
    assert load_of(daemon)["handshakes"] == 1 and load_of(daemon)["stress"] == "no"
    second.expect(220, "STARTTLS")
    assert load_of(daemon) == {"sessions": 2, "session_limit": 100, "handshakes": 2,
                               "handshake_limit": 2, "stress": "yes", "stress_times": 1}
    status = run_command("-c", daemon.directory, "status").stdout
    assert "\nload: 2 of 100 sessions, 2 of 2 TLS handshakes, stress mode yes, times so far 1\n" in \
        status
    first.handshake()
    wait_load(daemon, "no")
    second.handshake()


def test_killed_worker_ends_it(make_busy, fill):
    """What it held is free, and the master sees to the consequences."""
    daemon = make_busy()
    fill(daemon, [], ENTER)
    wait_load(daemon, "yes", ENTER)
    daemon.wait_log(r"stress mode begins")
    os.kill(daemon.workers()[0], signal.SIGKILL)
    wait_load(daemon, "no")
    daemon.wait_log(r"stress mode ends: \d+ of 20 sessions")


def test_reload(make_busy, fill):
    """State and sessions outlive it; the levels are those of the new configuration."""
    daemon = make_busy()
    clients = fill(daemon, [], ENTER)
    wait_load(daemon, "yes")
    assert run_command("-c", daemon.directory, "reload").returncode == 0
    assert load_of(daemon) | {"stress_times": 1} == load_of(daemon)
    assert load_of(daemon)["stress"] == "yes"
    daemon.write_config(gatepost_session_limit="100")
    assert run_command("-c", daemon.directory, "reload").returncode == 0
    assert (load_of(daemon)["stress"], load_of(daemon)["session_limit"]) == ("no", 100)
    daemon.write_config(gatepost_stress_enter="10", gatepost_stress_leave="5")
    assert run_command("-c", daemon.directory, "reload").returncode == 0
    assert load_of(daemon)["stress"] == "yes"
    clients.pop().quit()


@pytest.mark.parametrize("value, code", [("", 250), ("yes", 421)])
def test_what_the_operator_says_holds(make_busy, fill, connect, value, code):
    daemon = make_busy(stress=value)
    assert load_of(daemon)["stress"] == "fixed"
    client = connect(daemon)
    client.expect(500, "XCLIENT x")
    client.send(b"NOOP\r\n")
    assert client.reply().code == code
    fill(daemon, [], ENTER)
    client = connect(daemon)
    client.expect(500, "XCLIENT x")
    client.send(b"NOOP\r\n")
    assert client.reply().code == code
    assert load_of(daemon)["stress_times"] == 0 and began(daemon) == [0, 0]


def test_each_listener_decides_for_itself(make_busy, fill, connect):
    daemon = make_busy(start=False)
    daemon.write_config(gatepost_listen=f"127.0.0.1:{daemon.port}, "
                        f"{{ [::1]:{daemon.port6}, {{ stress = }} }}")
    daemon.start()
    fill(daemon, [], ENTER)
    for address, source, code in ((daemon.address, "127.0.0.2", 421), (daemon.address6, None, 250)):
        client = connect(daemon, source, address)
        client.expect(500, "XCLIENT x")
        client.send(b"NOOP\r\n")
        assert client.reply().code == code


ERRORS = [({"smtpd_timeout": "${stress?{x}:{300}}s"},
           "under stress: {file}, line {line}: smtpd_timeout = xs: bad time value"),
          ({"smtpd_hard_error_limit": "${stress?{0}:{20}}"},
           "under stress: {file}, line {line}: smtpd_hard_error_limit = 0: "),
          ({"smtpd_tls_protocols": "${stress?{>=TLSv1}:{>=TLSv1.2}}"},
           "{file}, line {line}: smtpd_tls_protocols = >=TLSv1 under stress, else >=TLSv1.2: "),
          ({"gatepost_stress_leave": "90"},
           "{file}, line {line}: gatepost_stress_leave = 90: must be less than "
           "gatepost_stress_enter (90)")]


@pytest.mark.parametrize("wrong, message", ERRORS, ids=[next(iter(wrong)) for wrong, _ in ERRORS])
def test_errors_are_found_in_time(make_busy, connect, wrong, message):
    """Not when it is too late."""
    daemon = make_busy()
    daemon.write_config(**wrong)
    wanted = message.format(file=daemon.path("gatepost.cf"), line=len(daemon.parameters))
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode == 1 and f"error: {wanted}" in result.stderr, result
    assert result.stderr.count(wanted) == 1
    result = run_command("-c", daemon.directory, "reload")
    assert result.returncode == 1 and wanted in result.stdout + result.stderr, result
    assert connect(daemon).greeting.code == 220
    result = run_command("-c", daemon.directory, "run")
    assert result.returncode == 78 and wanted in result.stderr, result
