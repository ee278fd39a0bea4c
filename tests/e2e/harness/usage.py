"""What a daemon's processes use: memory, descriptors, processor time; and whose a connection is."""

import os
import re
import resource

from .wait import read_text, wait_until

_TICKS = os.sysconf("SC_CLK_TCK")
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
KIB, MIB = 1024, 1024 * 1024


def raise_file_limit():
    """As many open files as this process may have; returns how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def pss(pid):
    """A process's share of the memory, in bytes; 0 if it is gone."""
    found = _PSS.search(read_text(f"/proc/{pid}/smaps_rollup"))
    return int(found[1]) * KIB if found else 0


def descriptors(pid):
    """How many files a process has open."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return 0


def processor_seconds(pid):
    """The time it has computed for so far."""
    fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def processes(daemon):
    """The pids of all processes of a daemon."""
    return [daemon.process.pid, *daemon.children()]


def total_pss(daemon):
    """Of all its processes."""
    return sum(pss(pid) for pid in processes(daemon))


def total_descriptors(daemon):
    """Of all its processes."""
    return {pid: descriptors(pid) for pid in processes(daemon)}


def sessions_open(daemon, run_command):
    """As `gatepost status` tells; None while it cannot."""
    text = run_command("-c", daemon.directory, "status").stdout
    numbers = re.findall(r"^worker \d+: \w+, sessions open (\d+)", text, re.MULTILINE)
    return sum(map(int, numbers)) if numbers else None


def _inodes(port):
    """Of the daemon's ends of connections to its port, by the client's (address, port)."""
    found = {}
    for line in read_text("/proc/net/tcp").splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port and fields[9] != "0":
            address, peer = fields[2].split(":")
            numbers = reversed(bytes.fromhex(address))
            found[".".join(map(str, numbers)), int(peer, 16)] = fields[9]
    return found


def owners(daemon, clients):
    """The worker that each of these clients is served by, in their order."""
    inodes = _inodes(daemon.port)
    holders = {}
    for pid in daemon.workers():
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                holders[target[8:-1]] = pid
    return [holders.get(inodes.get(client.socket.getsockname()[:2])) for client in clients]


def wait_quiet(daemon, run_command, deadline=None):
    """Waits until no session is open."""
    wait_until(lambda: sessions_open(daemon, run_command) == 0, "the end of all sessions", deadline)
