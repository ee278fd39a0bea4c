"""Waiting for something to become true, with a deadline. Tests never sleep for a fixed time."""

import os
import re
import select
import time

# Generous: it only matters when something is broken, or when the machine is very busy.
DEADLINE = float(os.environ.get("GATEPOST_TEST_DEADLINE", "60"))
_INTERVAL = 0.01


class DeadlineExceeded(AssertionError):
    """What was waited for did not come."""


def wait_until(predicate, what, deadline=None):
    """Calls predicate until it gives something true, and returns that."""
    limit = time.monotonic() + (DEADLINE if deadline is None else deadline)
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > limit:
            raise DeadlineExceeded(f"waited in vain for {what}")
        time.sleep(_INTERVAL)


def readable(file, seconds):
    """Whether there is something to read, or an end, within that time."""
    poll = select.poll()  # select(2) knows no descriptors from 1024 on
    poll.register(file, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def read_text(path):
    """The file as text with one character a byte; empty if it (or its process) does not exist."""
    try:
        with open(path, encoding="latin-1", newline="") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for_line(path, pattern, start=0, deadline=None):
    """The first match of a regular expression in a file, from character start on."""
    regex = re.compile(pattern, re.MULTILINE)
    try:
        return wait_until(lambda: regex.search(read_text(path), start), repr(pattern), deadline)
    except DeadlineExceeded as late:
        raise DeadlineExceeded(f"{late} in {path}:\n{read_text(path)[start:]}") from None
