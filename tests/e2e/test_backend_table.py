"""The table of faults (harness/fault_table.py), each fault in a session of its own, many at once on
one daemon. The client is told apart by its address, which the backend learns from gatepost.

Whatever the backend does: replies are well-formed and belong to their commands; a message is
accepted only if the backend accepted it; the session ends or goes on, as it should; the next session
of the same client is none the worse for it; the log says once what was being done; and in the end
nothing is left behind.
"""

import itertools
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import fault_table
from harness.client import Client, Closed
from harness.daemon import HOSTNAME, run_command
from harness.fault_table import BROKEN
from harness.wait import wait_until

CONTENT = b"Subject: x\r\n\r\nbody\r\n"
UNAVAILABLE = f"421 4.3.2 {HOSTNAME} Service currently unavailable\r\n".encode()
AT_ONCE = 24
MODES = ("lockstep", "pipelined")
QUICK = 11  # one in so many cases is in the quick run


def dialogue(step):
    """The client's commands in groups that may be sent at once: [(name, bytes)...]..."""
    envelope = [("MAIL", b"MAIL FROM:<>\r\n"), ("RCPT", b"RCPT TO:<r@gatepost.test>\r\n")]
    if step.startswith("BDAT"):
        chunks = (CONTENT[:3], CONTENT[3:], b"more\r\n")
        message = [[*envelope, *(("BDAT", b"BDAT %d%s\r\n%s" % (len(one), b" LAST" * (one is
                                 chunks[-1]), one)) for one in chunks)]]
    else:
        message = [[*envelope, ("DATA", b"DATA\r\n")], [("END", CONTENT + b".\r\n")]]
    if step == "CONTENT":  # the rest of it comes when the backend has done what it does
        message[1:] = [[("BEGIN", CONTENT[:9])], [("END", CONTENT[9:] + b".\r\n")]]
    return [[("EHLO", b"EHLO client.example\r\n")], *message,
            [("RSET", b"RSET\r\n"), ("QUIT", b"QUIT\r\n")]]


class Heard(list):
    """The replies of a session, as (command, Reply)."""

    def first(self, name):
        """The first reply to the command that is not good, or its last one."""
        replies = [reply for command, reply in self if command == name]
        bad = [reply for reply in replies if reply.code >= 400]
        return bad[0] if bad else replies[-1] if replies else None

    def accepted(self):
        """How often a message was accepted."""
        ends = [reply.code for command, reply in self if command == "END"]
        chunks = [reply.code for command, reply in self if command == "BDAT"]
        return sum(code // 100 == 2 for code in ends) + (
            len(chunks) == 3 and all(code // 100 == 2 for code in chunks))


def play(client, step, mode, acted):
    """The whole dialogue, until it is over or a reply says that it cannot go on."""
    heard = Heard()
    for group in dialogue(step):
        if mode == "lockstep":
            group = [[one] for one in group]
        else:
            group = [group]
        for commands in group:
            try:
                client.send(b"".join(data for _, data in commands))
            except OSError:
                pass  # it has hung up; what it said is still to be read
            for name, _ in commands:
                if name == "BEGIN":
                    wait_until(acted, "the backend's act")
                    continue
                heard.append((name, client.reply()))
                if heard[-1][1].code in (421, 521) or name == "QUIT":
                    return heard
        last = heard[-1]
        if last[1].code >= 400 and last[0] in ("DATA", "MAIL", "RCPT"):
            heard.append(("QUIT", client.command("QUIT")))
            return heard
    return heard


def transaction(client):
    """A client that behaves, with a backend that does."""
    client.ehlo()
    client.deliver("r@gatepost.test", CONTENT)
    client.quit()


class Stage:
    """A daemon in front of a scripted backend, and clients with an address for each."""

    def __init__(self, daemon, backend):
        self.daemon, self.backend = daemon, backend
        self.addresses = (f"127.{a}.{b}.{c}" for a, b, c in
                          itertools.product(range(1, 255), range(256), range(1, 255)))

    def sessions(self, address):
        """The backend's sessions for the client with this address."""
        return [session for session in list(self.backend.all_sessions)
                if session.proxy and not session.proxy.local and session.proxy.client[0] == address]

    def messages(self, address):
        """What the backend has accepted from it."""
        return [message for session in self.sessions(address) for message in session.messages]

    def acted(self, address):
        """Whether the backend has done in the content what it was told to."""
        return any(session.acted or session.closed for session in self.sessions(address))

    def log_lines(self, address):
        """The warnings about the backend for this client."""
        return re.findall(rf"warning: backend .* for unknown\[{re.escape(address)}\]$",
                          self.daemon.log(), re.MULTILINE)

    def run(self, case, mode, tls, address):
        """One case; returns what is wrong, or None."""
        self.backend.arm(case.step, case.action, client=address)
        try:
            with Client(self.daemon.address, address) as client:
                if tls:
                    client.ehlo()
                    client.starttls()
                heard = play(client, case.step, mode, lambda: self.acted(address))
                rest = client.rest()
            self.check(case, mode, heard, rest, address)
            wait_until(lambda: all(session.closed for session in self.sessions(address)),
                       "the end of the backend's session")
            before = len(self.messages(address))
            self.backend.arm(case.step, None, client=address)
            with Client(self.daemon.address, address) as client:
                transaction(client)
            assert len(self.messages(address)) == before + 1, "the next session"
        except (AssertionError, Closed, OSError) as error:
            return f"{case.name}, {mode}{', TLS' * tls}, {address}: {type(error).__name__} {str(error)[:600]}"
        return None

    def check(self, case, mode, heard, rest, address):
        """What the client heard is what it should have heard."""
        said = [(name, reply.raw[:100]) for name, reply in heard]
        assert rest == b"", f"{rest[:100]!r} behind {said}"
        # Pipelined, one that answers too much may have been sent what it then answers without having
        # read it: it has said 250 itself.
        if case.fails or mode != "pipelined":
            assert heard.accepted() <= len(self.messages(address)), f"accepted: {said}"
        if case.hears is None:
            assert all(reply.code < 400 for _, reply in heard), said
            assert heard.accepted() == len(self.messages(address)) == 1, said
        elif not case.fails:
            self.check_surplus(heard, said)
        elif case.hears == BROKEN:
            assert heard[-1] == (case.fails, heard[-1][1]), said
            assert heard[-1][1].raw == UNAVAILABLE, said
            self.check_log(case, address)
        else:
            assert heard.first(case.fails).raw == case.hears.raw, said
            if case.hears.ends:
                assert heard[-1][0] == case.fails or heard[-1][1].code == 421, said
            else:
                assert heard[-1][0] == "QUIT" and heard[-1][1].code == 221, said

    def check_surplus(self, heard, said):
        """A reply too many is not taken for the reply to anything else: the session ends with 421
        at the next occasion. What was answered before that may stand."""
        assert heard[-1][1].code == 421 or heard[-1][0] == "QUIT", said
        for name, reply in heard:
            assert reply.code in (421, 550, 354 if name == "DATA" else 250, 221), said

    def check_log(self, case, address):
        """One line, in words."""
        wait_until(lambda: self.log_lines(address), f"a warning for {address}")
        lines = self.log_lines(address)
        well = len(lines) == 1 and re.search(case.doing + ", for ", lines[0])
        assert well, lines

    def run_all(self, cases):
        """Many at once; each in two modes, and some over TLS."""
        jobs = [(case, mode, number % 7 == 0, next(self.addresses))
                for number, (case, mode) in enumerate(itertools.product(cases, MODES))]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            failures = [failure for failure in pool.map(lambda job: self.run(*job), jobs) if failure]
        assert not failures, f"{len(failures)} of {len(jobs)}:\n" + "\n".join(failures)


@pytest.fixture
def stage(make_gatepost, backend):
    """With short timeouts, when it has learned what the backend can; in the end, nothing is left of
    all the sessions."""
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1", gatepost_backend_timeout="2s",
                           gatepost_backend_connect_timeout="5s")
    with Client(daemon.address) as client:
        client.ehlo()
    worker, = daemon.workers()

    def is_idle():
        return "sessions open 0," in run_command("-c", daemon.directory, "status").stdout

    def files():
        return len(os.listdir(f"/proc/{worker}/fd"))

    wait_until(is_idle, "the end of the first session")
    before = files()
    yield Stage(daemon, backend)
    wait_until(is_idle, "the end of all sessions")
    assert daemon.workers() == [worker], "a worker died"
    wait_until(lambda: files() == before, "all files closed")


@pytest.mark.parametrize("group", fault_table.GROUPS)
def test_some(stage, group):
    """A sample of each group."""
    stage.run_all(fault_table.GROUPS[group]()[::QUICK])


@pytest.mark.slow
@pytest.mark.parametrize("group", fault_table.GROUPS)
def test_all(stage, group):
    """Every fault at every step."""
    stage.run_all(fault_table.GROUPS[group]())
