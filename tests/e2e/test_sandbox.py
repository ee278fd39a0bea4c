"""The system calls and limits that a worker has left."""

import os
import resource
import signal

import pytest

from harness.daemon import HOOKS, process_status, run_command
from harness.wait import read_text, wait_until

# Names of proxy/forbidden_calls.c.
FORBIDDEN = ["open", "stat", "mkdir", "unlink", "chroot", "chdir", "socket-unix", "socket-datagram",
             "socket-raw", "socket-netlink", "bind", "listen", "exec", "fork", "kill",
             "kill-other-process", "ptrace", "read-other-memory", "setuid", "dumpable", "limits",
             "map-code", "protect-code", "bpf", "io_uring", "memfd", "ioctl", "dup"]
if os.uname().machine == "x86_64":
    FORBIDDEN += ["abi-32", "abi-x32"]


def limits(pid):
    """/proc/PID/limits: name to (soft, hard)."""
    lines = read_text(f"/proc/{pid}/limits").splitlines()[1:]
    return {line[:26].strip(): tuple(line[26:].split()[:2]) for line in lines}


def test_children_are_filtered(gatepost, connect):
    connect(gatepost).ehlo()
    assert gatepost.key_processes()
    wait_until(gatepost.ledgers, "the ledger")
    for pid in gatepost.children():
        status = process_status(pid)
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


def test_filter_can_be_left_out(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, gatepost_sandbox="no")
    for pid in daemon.children():
        status = process_status(pid)
        assert status["Seccomp"] == process_status(daemon.process.pid)["Seccomp"]
        assert status["NoNewPrivs"] == "1"


def test_limits(make_gatepost, backend):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.start(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)))
    for pid in daemon.children():
        found = limits(pid)
        assert found["Max open files"] == (str(hard), str(hard))
        assert found["Max processes"] == ("0", "0")
        assert found["Max core file size"] == ("0", "0")


# Key process and ledger do not speak to the network either. The ledger has files.
NETWORK = ["socket-inet", "connect", "accept"]
FILES = {"open", "stat", "unlink"}
CASES = [("workers", call) for call in FORBIDDEN] + \
    [("key_processes", call) for call in [*FORBIDDEN, *NETWORK]] + \
    [("ledgers", call) for call in [*FORBIDDEN, *NETWORK] if call not in FILES]


@pytest.mark.parametrize("role, call", CASES)
def test_forbidden_call_is_the_end(make_gatepost, backend, connect, role, call):
    daemon = make_gatepost(backend.endpoint, start=False)
    daemon.binary = HOOKS
    daemon.environment = {"GATEPOST_TEST_FORBIDDEN": call}
    daemon.start()
    processes = getattr(daemon, role)
    before = set(wait_until(processes, "the process"))
    victim = min(before)
    os.kill(victim, signal.SIGUSR1)
    daemon.wait_log(rf"process {victim} was killed by signal {signal.SIGSYS:d}$"
                    rf"|\[{victim}\]: error: .*forbidden call")
    assert "forbidden call" not in daemon.log()
    wait_until(lambda: set(processes()) - before, "a new process")
    client = connect(daemon)
    client.ehlo()
    client.starttls()


def test_release_has_no_hooks(gatepost):
    """What the other tests run cannot be told to misbehave."""
    with open(gatepost.binary, "rb") as file:
        assert b"GATEPOST_TEST" not in file.read()
    with open(HOOKS, "rb") as file:
        assert b"GATEPOST_TEST" in file.read()


def test_old_workers_bear_with_new_clients(make_gatepost, backend, connect):
    """The kernel goes on to tell an old worker of clients on sockets that it has closed, since the
    master has them still; libev then makes itself a new epoll set."""
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1")
    old = connect(daemon)
    assert run_command("-c", daemon.directory, "reload").returncode == 0
    for _ in range(20):
        connect(daemon).quit()
        old.expect(250, "NOOP")
    old.quit()
