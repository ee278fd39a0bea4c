"""Open files: as many as may be, and what happens when there are no more."""

import os
import pwd
import re
import resource
import subprocess
import time

import pytest

from harness.client import Client
from harness.wait import read_text, wait_until

PAUSED = "warning: cannot accept connections: Too many open files"


def limits(pid):
    """The soft and the hard limit on open files."""
    found = re.search(r"^Max open files +(\d+) +(\d+) ", read_text(f"/proc/{pid}/limits"), re.M)
    return tuple(map(int, found.groups()))


def set_soft_limit(worker, count):
    """Changes the limit of a worker, as its own user: that is who may."""
    nobody = pwd.getpwnam("nobody")
    become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    subprocess.run([*(become if os.getuid() == 0 else ()), "prlimit", f"--pid={worker}",
                    f"--nofile={count}:"], check=True)


def cpu_seconds(pid):
    """What a process has used so far."""
    fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_soft_limit_is_raised(make_gatepost, backend):
    """In all processes, and for what they may do: a login shell's 1024 do not count."""
    daemon = make_gatepost(backend.endpoint, start=False, gatepost_session_limit="900",
                           gatepost_workers="1")
    daemon.start(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2048)))
    for pid in (daemon.process.pid, *daemon.children()):
        assert limits(pid) == (2048, 2048)
    assert "permits" not in daemon.log()


def test_hard_limit_holds(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False, gatepost_session_limit="900",
                           gatepost_workers="1")
    daemon.start(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024)))
    daemon.wait_log(r"gatepost_session_limit: the limit on open files permits 480 sessions only")


@pytest.mark.slow
def test_no_more_files(make_gatepost, backend, connect):
    """A worker that cannot accept pauses, does not spin, says so once a second, and goes on when a
    session has ended. Sessions that are open do not notice."""
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1")
    [worker] = daemon.workers()
    first = connect(daemon)
    first.ehlo()
    _, hard = limits(worker)
    set_soft_limit(worker, 32)
    open_ones, waiting = [], None
    while waiting is None:
        client = connect(daemon, greeting=False)
        wait_until(lambda: client.has_input() or PAUSED in daemon.log(), "an answer")
        if client.has_input():
            assert client.reply().code == 220
            open_ones.append(client)
        else:
            waiting = client
    assert len(open_ones) < 32
    began, used = time.monotonic(), cpu_seconds(worker)
    wait_until(lambda: daemon.log().count(PAUSED) >= 3, "more tries")
    lasted = time.monotonic() - began
    assert daemon.log().count(PAUSED) <= lasted + 3
    assert cpu_seconds(worker) - used < 0.2 * lasted + 0.1
    assert not waiting.has_input()
    first.ehlo()
    open_ones.pop().quit()
    assert waiting.reply().code == 220
    # Nor can the backend be reached: the client hears that, and the sender keeps the mail.
    open_ones.append(waiting)
    first.send(b"MAIL FROM:<>\r\n")
    assert first.reply().code == 421
    set_soft_limit(worker, hard)
    waiting.ehlo()
    waiting.deliver("r@gatepost.test", b"Subject: x\r\n")
    for client in open_ones:
        client.ehlo()
    assert daemon.workers() == [worker]
