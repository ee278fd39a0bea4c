"""gatepost as a service of systemd: units, socket activation, notifications, watchdog."""

import os
import pwd
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.client import Client
from harness.daemon import BINARY, process_status, run_command
from harness.ports import free_port
from harness.service_manager import ServiceManager
from harness.wait import wait_until

UNITS = os.path.join(os.path.dirname(__file__), "../../packaging/systemd")
NET_BIND_SERVICE = 1 << 10


@pytest.fixture(name="manager")
def make_manager(directory):
    """A service manager."""
    manager = ServiceManager(directory)
    yield manager
    manager.close()


def run(*command):
    """A program of systemd's, which must succeed; its output."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result
    return result.stdout + result.stderr


# Units

def install_units(directory, dropins=()):
    """The units in a directory, for the program under test; the drop-ins are in force."""
    paths = []
    for name in ("gatepost.service", "gatepost.socket"):
        with open(os.path.join(UNITS, name), encoding="ascii") as file:
            text = file.read().replace("/usr/sbin/gatepost", BINARY)
        paths.append(os.path.join(directory, name))
        with open(paths[-1], "w", encoding="ascii") as file:
            file.write(text)
    for name in dropins:
        os.makedirs(os.path.join(directory, "gatepost.service.d"), exist_ok=True)
        with open(os.path.join(UNITS, name), encoding="ascii") as source, \
                open(os.path.join(directory, "gatepost.service.d", name), "w",
                     encoding="ascii") as target:
            target.write(source.read())
    return paths


def exposure(path):
    """What systemd thinks of a service's walls: 0 is best, 10 worst."""
    text = run("systemd-analyze", "security", "--offline=yes", "--no-pager", path)
    return float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text).group(1))


def test_exposure(directory):
    service, _ = install_units(directory)
    assert exposure(service) < 1.5


def test_units_have_no_mistakes(directory):
    assert run("systemd-analyze", "verify", "--man=no", *install_units(directory)) == ""


def test_dropins_have_no_mistakes(directory):
    """notify-reload is for versions that are newer than the oldest one supported."""
    version = int(re.match(r"systemd (\d+)", run("systemctl", "--version")).group(1))
    dropins = ["as-root.conf", "bind.conf", "notify-reload.conf"][:3 if version >= 253 else 2]
    assert run("systemd-analyze", "verify", "--man=no", *install_units(directory, dropins)) == ""


def test_user_and_directories(directory):
    root = os.path.join(directory, "root")
    os.makedirs(os.path.join(root, "etc"))
    with open(os.path.join(root, "etc/group"), "w", encoding="ascii") as file:
        file.write("adm:x:4:\n")
    run("systemd-sysusers", f"--root={root}", os.path.join(UNITS, "sysusers.d-gatepost.conf"))
    with open(os.path.join(root, "etc/passwd"), encoding="ascii") as file:
        assert re.search(r"^gatepost:.*:/var/lib/gatepost:/usr/sbin/nologin$", file.read(), re.M)
    run("systemd-tmpfiles", "--create", f"--root={root}",
        os.path.join(UNITS, "tmpfiles.d-gatepost.conf"))
    status = os.stat(os.path.join(root, "var/lib/gatepost/empty"))
    assert (status.st_mode & 0o7777, status.st_uid) == (0o755, 0)


# Socket activation

def greets(address, source="127.0.0.2"):
    """A whole session there."""
    with Client(address, source) as client:
        client.ehlo()
        client.expect(250, "MAIL FROM:<>")


def test_socket_activate(make_gatepost, backend):
    """systemd's own tool."""
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.launcher = ["systemd-socket-activate", "-l", f"127.0.0.1:{daemon.port}",
                       "-l", f"[::1]:{daemon.port6}"]
    daemon.launch()

    def connected():
        try:
            return socket.create_connection(daemon.address, timeout=30)
        except ConnectionRefusedError:
            return None
    with wait_until(connected, "the listening socket") as first:  # it wakes the daemon
        daemon.wait_ready()
        assert first.recv(4096).startswith(b"220 ")
    greets(daemon.address)
    greets(daemon.address6, None)
    assert "systemd" not in daemon.log() + daemon.stderr().replace("systemd-socket-activate", "")


def activated(make_gatepost, endpoint, manager, listen, **parameters):
    """A daemon on the manager's sockets."""
    daemon = make_gatepost(endpoint, start=False, **parameters)
    daemon.write_config(gatepost_listen=listen)
    manager.attach(daemon)
    return daemon.start()


def test_sockets_are_found_by_address(make_gatepost, backend, manager):
    first, second = manager.listen("gatepost.1", "127.0.0.1"), manager.listen("gatepost.2", "::1")
    own = free_port()
    daemon = activated(make_gatepost, backend.endpoint, manager,
                       f"127.0.0.1:{first[1]} [::1]:{second[1]} 127.0.0.1:{own}")
    for _ in range(2):
        greets(first)
        greets(second, None)
        greets(("127.0.0.1", own))
        daemon.reload()
    assert "in vain" not in daemon.log()


def test_sockets_are_found_by_name(make_gatepost, backend, manager):
    plain, tls = manager.listen("smtp", "127.0.0.1"), manager.listen("smtps", "127.0.0.1")
    daemon = activated(make_gatepost, backend.endpoint, manager,
                       "systemd:smtp { systemd:smtps, smtpd_banner=other.example }")
    for _ in range(2):
        with Client(plain) as client:
            assert "other.example" not in client.greeting.text
        with Client(tls) as client:
            assert client.greeting.text == "220 other.example"
        daemon.reload()


def test_one_socket_for_both_families(make_gatepost, backend, manager):
    """What ListenStream=25 alone comes to."""
    address = manager.listen("smtp", "::", dual=True)
    activated(make_gatepost, backend.endpoint, manager, str(address[1]))
    greets(("127.0.0.1", address[1]))
    greets(("::1", address[1]), None)
    assert backend.wait_sessions(2)[0].proxy.client[0] == "127.0.0.2"


def test_name_that_was_not_passed(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.write_config(gatepost_listen="systemd:smtp")
    result = run_command("-c", daemon.directory, "run")
    assert result.returncode == 78
    assert "gatepost_listen: systemd:smtp: systemd passed no socket" in result.stderr + daemon.log()


def test_socket_that_nobody_wants(make_gatepost, backend, manager):
    used, other = manager.listen("smtp", "127.0.0.1"), manager.listen("other", "127.0.0.1")
    manager.sockets["datagram"] = datagram = socket.socket(type=socket.SOCK_DGRAM)
    datagram.bind(("127.0.0.1", 0))
    daemon = activated(make_gatepost, backend.endpoint, manager, f"127.0.0.1:{used[1]}")
    daemon.wait_log(rf"warning: socket other of systemd, port {other[1]} of 127\.0\.0\.1, is no")
    daemon.wait_log("warning: socket datagram of systemd: not a listening TCP socket")
    greets(used)


def test_restart_refuses_nobody(make_gatepost, backend, manager):
    """Clients come all the time while the daemon is stopped and started."""
    address = manager.listen("smtp", "127.0.0.1")
    daemon = activated(make_gatepost, backend.endpoint, manager, f"127.0.0.1:{address[1]}")
    served, cut, failures, stop = [], [], [], threading.Event()

    def come_and_go():
        while not stop.is_set():
            try:
                with Client(address, "127.0.0.2", timeout=100) as client:  # waits for the restart
                    assert client.greeting.code == 220, client.greeting
                    reply = client.command("QUIT")
                (served if reply.code == 221 else cut).append(reply.text)
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

    visitor = threading.Thread(target=come_and_go)
    visitor.start()
    try:
        for _ in range(3):
            seen = len(served)
            wait_until(lambda: len(served) > seen or failures, "a client")
            daemon.stop()
            os.unlink(daemon.log_path)
            daemon.start()
        seen = len(served)
        wait_until(lambda: len(served) > seen or failures, "a client in the end")
    finally:
        stop.set()
        visitor.join()
    # No connection is refused, none is lost. A session that a stop finds under way hears 421: the
    # client comes one at a time, so that is one for each worker at most, since they do not stop in
    # the same instant.
    assert not failures, failures
    assert all(text.startswith("421 4.3.2 ") for text in cut), cut
    assert len(cut) <= 3 * 2, cut


# Notifications

def test_notifications(make_gatepost, backend, manager):
    daemon = make_gatepost(backend.endpoint, start=False)
    manager.attach(daemon)
    daemon.start()
    ready = manager.expect("READY")
    assert ready == {"READY": "1", "STATUS": "Serving with 2 workers"}

    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.process.send_signal(signal.SIGHUP)
    reloading = manager.expect("RELOADING")
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= \
        time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert manager.expect("READY")["STATUS"] == "Serving with 2 workers"

    daemon.write_config(smtpd_tls_protocols="nonsense")
    daemon.process.send_signal(signal.SIGHUP)
    manager.expect("RELOADING")
    assert manager.expect("READY")["STATUS"] == "Serving with 2 workers; the last reload failed"

    daemon.terminate()
    assert manager.expect("STOPPING")["STOPPING"] == "1"
    daemon.wait()


@pytest.mark.slow
def test_watchdog(make_gatepost, backend, manager):
    """Signs of life, as long as every process shows some."""
    daemon = make_gatepost(backend.endpoint, start=False)
    manager.attach(daemon, watchdog=0.4)
    daemon.start()
    for _ in range(6):
        assert manager.expect("WATCHDOG") == {"WATCHDOG": "1"}
    worker, keys = daemon.workers()[0], daemon.key_processes()[0]
    for pid in (worker, keys):
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: manager.receive(1.) is None, "silence")
        finally:
            os.kill(pid, signal.SIGCONT)
        manager.expect("WATCHDOG")
    for pid in (worker, keys):
        os.kill(pid, signal.SIGKILL)  # that is no reason to end all others
    wait_until(lambda: len(daemon.workers()) == 2 and daemon.key_processes(), "new processes")
    manager.expect("WATCHDOG")


def test_no_watchdog_unless_asked_for(make_gatepost, backend, manager):
    daemon = make_gatepost(backend.endpoint, start=False)
    manager.attach(daemon)
    daemon.start()
    daemon.stop()
    messages = iter(lambda: manager.receive(0.01), None)
    assert [sorted(one)[0] for one in messages] == ["READY", "STATUS"]


# Rights

@pytest.mark.skipif(os.getuid() != 0, reason="only root can give rights")
def test_ambient_capability(make_gatepost, backend, certificates):
    """User=gatepost with AmbientCapabilities=CAP_NET_BIND_SERVICE."""
    nobody = pwd.getpwnam("nobody")
    daemon = make_gatepost(backend.endpoint, start=False)
    with open(certificates["ecdsa"].key, "rb") as file:
        key = file.read()
    with open(daemon.path("key.pem"), "wb") as file:
        file.write(key)
    for path in (daemon.directory, *map(daemon.path, ("empty", "state", "key.pem"))):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    for port in range(600, 1024):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                break
    del daemon.parameters["gatepost_user"], daemon.parameters["gatepost_chroot_directory"]
    daemon.write_config(smtpd_tls_key_file=daemon.path("key.pem"),
                        gatepost_listen=f"127.0.0.1:{port}")
    daemon.launcher = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
                       "--clear-groups", "--inh-caps=+net_bind_service",
                       "--ambient-caps=+net_bind_service", "--no-new-privs"]
    daemon.start()
    greets(("127.0.0.1", port))
    daemon.reload()
    greets(("127.0.0.1", port))
    master = process_status(daemon.process.pid)
    assert {int(master[name], 16) for name in ("CapPrm", "CapEff")} == {NET_BIND_SERVICE}
    for pid in daemon.children():
        status = process_status(pid)
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
