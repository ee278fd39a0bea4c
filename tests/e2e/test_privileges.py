"""The process that is exposed is the process that is poor."""

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys

import pytest

from harness.client import Client
from harness.daemon import process_status, run_command, session_processes
from harness.ports import free_port
from harness.wait import wait_until

NOBODY = pwd.getpwnam("nobody")
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="started as root only")


@needs_root
def test_workers_have_nothing(gatepost, connect):
    connect(gatepost).ehlo()
    workers = gatepost.workers()
    assert len(workers) >= 2
    for pid in workers:
        status = process_status(pid)
        assert {name: int(status[name], 16) for name in CAPABILITIES} == \
            dict.fromkeys(CAPABILITIES, 0)
        assert status["NoNewPrivs"] == "1"
        assert set(status["Uid"].split()) == {str(NOBODY.pw_uid)}
        assert set(status["Gid"].split()) == {str(NOBODY.pw_gid)}
        assert set(status["Groups"].split()) <= {str(NOBODY.pw_gid)}
        root = os.readlink(f"/proc/{pid}/root")
        assert root == gatepost.path("empty") and os.listdir(root) == []
        # Not dumpable: its files in /proc belong to root, not to its user.
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0


@needs_root
def test_master_keeps_little(gatepost):
    status = process_status(gatepost.process.pid)
    kept = int(status["CapEff"], 16)
    everything = int(process_status(os.getpid())["CapEff"], 16)
    assert kept != everything and kept.bit_count() <= 8
    assert int(status["CapPrm"], 16) == kept
    assert int(status["CapBnd"], 16) & ~kept == 0


@needs_root
def test_workers_hold_no_file_open(gatepost, connect):
    connect(gatepost).ehlo()
    for pid in gatepost.workers():
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            assert target.startswith(("socket:", "pipe:", "anon_inode:", "/dev/null",
                                      gatepost.stderr_path)), target


def test_worker_that_is_killed_is_replaced(gatepost, connect):
    before = set(gatepost.workers())
    victim = sorted(before)[0]
    os.kill(victim, signal.SIGKILL)
    gatepost.wait_log(rf"gatepost/master\[\d+\]: warning: .*{victim}.*")
    wait_until(lambda: len(gatepost.workers()) == len(before) and victim not in gatepost.workers(),
               "a new worker")
    for _ in range(10):
        connect(gatepost).quit()


def test_all_workers_killed(gatepost, connect):
    before = gatepost.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(gatepost.workers()) - set(before)) == len(before), "new workers")
    connect(gatepost).quit()


def test_workers_do_not_outlive_the_master(gatepost):
    session = gatepost.process.pid
    os.kill(session, signal.SIGKILL)
    gatepost.process.wait()
    wait_until(lambda: not session_processes(session), "the workers' end")


ASK_TO_STOP = """
import socket, sys
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    try:
        client.sendall(b"stop\\n")
        print(client.recv(100))
    except OSError as error:
        print(error)
"""


@needs_root
def test_control_socket_is_for_its_owners(gatepost, connect):
    """Its mode keeps others out, and so do their credentials if somebody changes the mode."""
    path = gatepost.path("control")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    ask = [sys.executable, "-c", ASK_TO_STOP, path]
    result = subprocess.run(ask, capture_output=True, text=True, user="daemon")
    assert result.returncode == 1 and "Permission denied" in result.stderr
    os.chmod(path, 0o666)
    result = subprocess.run(ask, capture_output=True, text=True, user="daemon")
    assert result.returncode == 0 and "b'ok" not in result.stdout, result
    assert gatepost.process.poll() is None
    connect(gatepost).ehlo()


def demote():
    """In the child: become nobody."""
    os.setgroups([])
    os.setgid(NOBODY.pw_gid)
    os.setuid(NOBODY.pw_uid)


@needs_root
def test_started_unprivileged(make_gatepost, postfix, connect, certificates, directory, recipient):
    daemon = make_gatepost(postfix.proxy_endpoint, start=False)
    for path in (daemon.directory, *map(daemon.path, ("empty", "state"))):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    with open(certificates["ecdsa"].key, encoding="ascii") as file:
        key = file.read()
    with open(daemon.path("key.pem"), "w", encoding="ascii") as file:
        file.write(key)
    os.chown(daemon.path("key.pem"), NOBODY.pw_uid, NOBODY.pw_gid)
    del daemon.parameters["gatepost_user"], daemon.parameters["gatepost_chroot_directory"]
    daemon.write_config(smtpd_tls_key_file=daemon.path("key.pem"))
    os.chown(daemon.path("stderr"), NOBODY.pw_uid, -1) if os.path.exists(daemon.stderr_path) else None
    daemon.start(demote)
    client = connect(daemon)
    client.ehlo()
    client.starttls()
    client.ehlo()
    address = recipient()
    client.deliver(address, b"Subject: x\r\n\r\n")
    assert postfix.wait_mail(address)
    for pid in (daemon.process.pid, *daemon.workers()):
        status = process_status(pid)
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0
        assert status["NoNewPrivs"] == "1" or pid == daemon.process.pid


@needs_root
@pytest.mark.parametrize("user", ["no-such-user", "root", ""])
def test_root_needs_a_user_to_become(make_gatepost, backend, user):
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(gatepost_user=user)
    result = run_command("-c", daemon.directory, "run")
    assert result.returncode == 78
    assert "gatepost_user" in result.stderr + daemon.log()


@needs_root
def test_chroot_directory_must_be_empty_and_there(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False)
    for path in (daemon.path("missing/empty"), daemon.path("gatepost.cf"), daemon.directory):
        daemon.write_config(gatepost_chroot_directory=path)
        result = run_command("-c", daemon.directory, "run")
        assert result.returncode in (1, 78)
        assert "gatepost_chroot_directory" in result.stderr + daemon.log()


def answers(address):
    """Whether connections are taken there."""
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def test_sigterm_lets_a_transaction_finish(gatepost, connect, postfix, recipient):
    busy, idle, address = connect(gatepost), connect(gatepost), recipient()
    busy.ehlo()
    idle.ehlo()
    busy.envelope(address)
    busy.expect(354, "DATA")
    busy.send(b"Subject: x\r\n\r\nfirst half\r\n")
    gatepost.terminate()
    assert idle.reply().code == 421  # by then it is ending
    assert idle.rest() == b""
    wait_until(lambda: not answers(gatepost.address), "closed listeners")
    busy.send(b"second half\r\n.\r\n")
    assert busy.reply().code == 250
    assert busy.reply().code == 421
    assert busy.rest() == b""
    gatepost.wait()
    assert postfix.wait_mail(address).endswith(b"first half\nsecond half\n")


@pytest.mark.slow
def test_sigterm_does_not_wait_for_ever(make_gatepost, postfix, connect, recipient):
    """A transaction that does not go on is cut off; its sender has no 250 and keeps the mail."""
    daemon = make_gatepost(postfix.proxy_endpoint, gatepost_drain_time="1s")
    client = connect(daemon)
    client.ehlo()
    client.envelope(recipient())
    client.expect(354, "DATA")
    daemon.terminate()
    daemon.wait()


def test_sigint_ends_it_too(gatepost):
    gatepost.process.send_signal(signal.SIGINT)
    gatepost.wait()


def test_low_port_needs_no_root_in_the_end(make_gatepost, backend):
    """Bound as root, served as nobody."""
    if os.getuid() != 0:
        pytest.skip("binding a low port needs root")
    port = next(port for port in range(600, 1000) if bindable(port))
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(gatepost_listen=f"127.0.0.1:{port}")
    daemon.start()
    with Client(("127.0.0.1", port)) as client:
        client.ehlo()


def bindable(port):
    """Whether nothing listens there."""
    result = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, check=True)
    return not result.stdout
