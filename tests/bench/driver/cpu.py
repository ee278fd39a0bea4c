"""What a server's processes have used: CPU time and memory."""

import os
import time

_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat behind the name; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def descendants(root):
    """A process and everything that came of it and still runs."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        fields = _stat(entry)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, new = [], [root]
    while new:
        found.append(new.pop())
        new += children.get(found[-1], [])
    return found


def _process_seconds(pid):
    """CPU seconds of a process with all its threads, those that have ended too, and of its children
    that have ended. The former in nanoseconds, the latter in the kernel's ticks."""
    fields = _stat(pid)
    if fields is None:
        return 0.0
    try:
        own = time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)
    except OSError:
        return 0.0
    return own + (int(fields[13]) + int(fields[14])) / _TICK


def seconds(root):
    """CPU seconds of all of a server's processes so far."""
    return sum(_process_seconds(pid) for pid in descendants(root))


def settled_seconds(root, quiet=0.05, limit=3.0):
    """The same when nothing is being done any more: the last session's end, the log."""
    last, deadline = seconds(root), time.monotonic() + limit
    while True:
        time.sleep(quiet)
        now = seconds(root)
        if now - last < 0.0002 or time.monotonic() > deadline:
            return now
        last = now


def _pss(pid):
    """Proportional set size of a process in KiB; 0 if it has gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def memory(root):
    """Proportional set size of all of a server's processes, in KiB."""
    return sum(map(_pss, descendants(root)))
