"""SMTP smuggling (CVE-2023-51764 and its kind): every end of data that some server may know, in
every mode, behind every kind of backend. Wherever gatepost sees a message end, the backend does,
and nowhere else: the number of messages that arrive is the number that gatepost counted.

Three sources tell clients apart: 127.0.0.2 is a stranger, 127.0.0.9 is one of gatepost's
smtpd_forbid_bare_newline_exclusions, and 127.0.0.1 is in the mynetworks of the Postfix behind it.
"""

import itertools
import re
import socket

import pytest

from harness.backend import Backend
from harness.client import Client, Closed
from harness.lenient import LenientDialogue
from harness.ports import free_port
from harness.wait import wait_until

STRANGER, EXCLUDED, TRUSTED = "127.0.0.2", "127.0.0.9", "127.0.0.1"
MODES = ("no", "normalize", "note", "reject")
HEADER = b"Subject: one\r\n\r\ntext"
SMUGGLED = (b"MAIL FROM:<evil@client.example>\r\nRCPT TO:<v@gatepost.test>\r\nDATA\r\n"
            b"Subject: evil\r\n\r\nevil\r\n.\r\n")
CHUNK = b"Subject: evil\r\n\r\nevil\r\n"
SMUGGLED_CHUNK = (b"MAIL FROM:<evil@client.example>\r\nRCPT TO:<v@gatepost.test>\r\n"
                  b"BDAT %d LAST\r\n" % len(CHUNK) + CHUNK + b"RSET\r\n.\r\n")
BREAKS = (b"\r\n", b"\n", b"\r", b"\r\0\n", b"\0\r\n", b"\r\r\n", b"\n\0", b"\r\0")
FORMS = [b"".join((before, b".", after)) for before, after in itertools.product(BREAKS, BREAKS)
         if b"\r\n.\r\n" not in before + b"." + after]
# Those that a reader of lines that end in LF could take for an end, which Postfix is.
LF_FORMS = [form for form in FORMS if form.count(b"\n") == 2]
SYNC = b"554 5.5.0 Error: SMTP protocol synchronization\r\n"


def first_end(wire, mode):
    """Where Postfix finds the end of data: the offset behind it."""
    if mode == "no":
        return re.search(rb"(?:^|\n)\.\r*\n", wire).end()
    previous_bare = False
    position = 0
    for line in re.findall(rb"[^\n]*\n", wire):
        position += len(line)
        bare = not line.endswith(b"\r\n")
        if line == b".\r\n" and not previous_bare:
            return position
        previous_bare = bare
    raise AssertionError("no end")


def has_bare_lf(content):
    """Whether some line of it ends in LF alone."""
    return re.search(rb"(?:^|[^\r])\n", content) is not None


class Front:
    """A daemon with a listener for each mode and backend: backends is a dict of names to
    (endpoint, protocol)."""

    def __init__(self, make_gatepost, backends, **parameters):
        self.ports = {(mode, name): free_port() for mode in MODES for name in backends}
        listeners = [f"{{ 127.0.0.1:{port}, smtpd_forbid_bare_newline={mode},"
                     f" gatepost_backend={backends[name][0]},"
                     f" gatepost_backend_protocol={backends[name][1]} }}"
                     for (mode, name), port in self.ports.items()]
        options = {"gatepost_listen": "\n    ".join(listeners),
                   "smtpd_forbid_bare_newline_exclusions": EXCLUDED,
                   "smtpd_client_connection_count_limit": "0", "smtpd_hard_error_limit": "10000",
                   "smtpd_error_sleep_time": "0", "gatepost_backend_trusts_localhost": "no"}
        self.daemon = make_gatepost("inet:127.0.0.1:1", **(options | parameters))
        self.accepted = self.commands = self.sessions = 0

    def open(self, mode, name, source, tls):
        """A client after EHLO."""
        client = Client(("127.0.0.1", self.ports[mode, name]), source)
        self.sessions += 1
        client.ehlo()
        if tls:
            client.starttls()
            client.ehlo()
        return client

    def counted(self):
        """How many messages gatepost says it passed on, once all sessions are over."""
        wait_until(lambda: self.daemon.log().count(": disconnect from ") >= self.sessions,
                   "the sessions' ends")
        lines = re.findall(r": disconnect from .* data=(\d+)", self.daemon.log())
        chunks = re.findall(r": disconnect from .* bdat=(\d+)", self.daemon.log())
        return sum(map(int, lines)) + sum(map(int, chunks))


def send_one(front, client, number, form, mode, smuggled):
    """One transaction with a false end in it, and the smuggled commands behind that. Returns True
    if the session is over."""
    client.send(b"MAIL FROM:<s%d@client.example>\r\nRCPT TO:<r@gatepost.test>\r\nDATA\r\n" % number)
    assert [client.reply().code for _ in range(3)] == [250, 250, 354]
    front.commands += 1
    wire = HEADER + form + smuggled
    end = first_end(wire, mode)
    client.send(wire)
    reply = client.reply()
    if mode == "reject" and has_bare_lf(wire[:end]):
        assert reply.text == "550 5.5.2 front.gatepost.test Error: bare <LF> received"
        return False
    assert reply.code == 250, (form, reply.raw)
    front.accepted += 1
    if end == len(wire):
        return False
    # The operator wants LF to end lines: what follows are commands; but not any.
    if smuggled is SMUGGLED:
        assert client.rest().endswith(SYNC), form
        return True
    assert [client.reply().code for _ in range(4)] == [250, 250, 250, 250]
    front.accepted += 1  # RSET is answered, and "." is nothing that an SMTP client says
    assert client.reply().text == "221 2.7.0 Error: I can break rules, too. Goodbye."
    return True


def run_session(front, mode, name, source, tls, forms):
    """All forms, in as few sessions as possible."""
    effective = "no" if source == EXCLUDED else mode
    client = front.open(mode, name, source, tls)
    for number, form in enumerate(forms):
        if send_one(front, client, number, form, effective, SMUGGLED):
            client = front.open(mode, name, source, tls)
    client.quit()


@pytest.fixture
def scripted(make_gatepost, make_backend):
    """A daemon before a strict and a most lenient backend."""
    backends = {"strict": make_backend(), "lenient": make_backend(dialogue=LenientDialogue)}
    front = Front(make_gatepost, {name: (backend.endpoint, "proxy2")
                                  for name, backend in backends.items()})
    front.backends = backends
    return front


def check_scripted(front, evil=0):
    """What arrived is what was counted; and only EVIL of it by way of another's message."""
    messages = [message for backend in front.backends.values() for message in backend.messages]
    assert len(messages) == front.accepted == front.counted()
    stray = [message for message in messages if b"<evil@" in message.mail]
    assert len(stray) == evil
    assert not any(b"PROTOCOL ERROR" in command for backend in front.backends.values()
                   for session in backend.all_sessions for command in session.commands)


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_no_form_makes_two_messages_of_one(scripted, tls):
    for mode, name, source in itertools.product(MODES, scripted.backends, (STRANGER, EXCLUDED)):
        run_session(scripted, mode, name, source, tls, FORMS)
    assert scripted.commands == 4 * 2 * 2 * len(FORMS)
    check_scripted(scripted)
    assert scripted.accepted <= scripted.commands


def test_lf_ends_data_only_where_the_operator_says_so(scripted):
    """BDAT may be pipelined, so it is what is left to smuggle with where LF.LF ends data: then
    front and backend still agree, on two messages; everywhere else, on one."""
    forms = [form for form in FORMS if form[-1:] != b"\0"]  # that would begin the next command
    for mode, name, source in itertools.product(MODES, scripted.backends, (STRANGER, EXCLUDED)):
        effective = "no" if source == EXCLUDED else mode
        client = scripted.open(mode, name, source, False)
        for number, form in enumerate(forms):
            if send_one(scripted, client, number, form, effective, SMUGGLED_CHUNK):
                client = scripted.open(mode, name, source, False)
        client.quit()
    ends = sum(first_end(HEADER + form + SMUGGLED_CHUNK, "no") < len(HEADER + form) + 5
               for form in forms)
    assert ends > 5
    check_scripted(scripted, evil=ends * 2 * (4 + 1))


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("form", [b"\n.\n", b"\r.\r", b"\r\n.\r\0\n"], ids=repr)
def test_split_at_every_byte(scripted, form, tls):
    """In packets, or records, of their own."""
    for name in scripted.backends:
        client = scripted.open("normalize", name, STRANGER, tls)
        wire = b"Subject: one\r\n\r\nx" + form + b"RSET\r\n..\r\n.\r\n"
        for split in range(14, len(wire)):
            client.send(b"MAIL FROM:<s@x>\r\nRCPT TO:<r@x>\r\nDATA\r\n")
            assert [client.reply().code for _ in range(3)] == [250, 250, 354]
            client.send(wire[:split])
            client.send(wire[split:])
            assert client.reply().code == 250
            scripted.accepted += 1
        client.send(b"MAIL FROM:<s@x>\r\nRCPT TO:<r@x>\r\nDATA\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 354]
        client.send_pieces(wire, iter(lambda: 1, 0))
        assert client.reply().code == 250
        scripted.accepted += 1
        client.quit()
    check_scripted(scripted)


def test_chunks_are_counted_whatever_is_in_them(scripted):
    """No form is anything in BDAT, also where a chunk ends in its midst."""
    for name, mode in itertools.product(scripted.backends, ("no", "normalize", "note")):
        client = scripted.open(mode, name, STRANGER, False)
        for form in FORMS:
            content = HEADER + form + SMUGGLED
            cut = len(HEADER) + 2
            client.send(b"MAIL FROM:<s@x>\r\nRCPT TO:<r@x>\r\n"
                        b"BDAT %d\r\n" % cut + content[:cut] +
                        b"BDAT %d LAST\r\n" % (len(content) - cut) + content[cut:])
            assert [client.reply().code for _ in range(4)] == [250] * 4
        client.quit()
    for backend in scripted.backends.values():
        assert len(backend.messages) == 3 * len(FORMS)
        assert all(message.content.endswith(SMUGGLED) for message in backend.messages)
        assert not any(b"evil" in message.mail for message in backend.messages)


# The real Postfix: Debian 12's takes LF.LF for an end of data.

def postfix_senders(postfix):
    """The senders of all messages that it took so far."""
    return re.findall(r"qmgr\[\d+\]: \w+: from=<([^>]*)>, size=", postfix.log())


def test_the_real_postfix_needs_protection(postfix):
    """Without gatepost it takes this for two messages: so the next test can fail."""
    marks = [f"naked{number}@client.example" for number in range(2)]
    with socket.create_connection(("127.0.0.1", postfix.plain_port), 30) as conn:
        conn.sendall(b"EHLO x\r\n")
        stream = conn.makefile("rb")
        for mark in marks:
            conn.sendall(b"MAIL FROM:<%s>\r\nRCPT TO:<r@gatepost.test>\r\n" % mark.encode())
            while not next(stream).startswith(b"250 2.1.5"):
                pass
            conn.sendall(b"DATA\r\n")
            assert next(stream).startswith(b"354")
            conn.sendall(HEADER + b"\n.\n")
            assert next(stream).startswith(b"250 2.0.0 Ok: queued")
    wait_until(lambda: set(marks) <= set(postfix_senders(postfix)), "both messages")


@pytest.mark.slow
@pytest.mark.parametrize("handoff", ["proxy2", "xclient", "none"])
def test_real_postfix(make_gatepost, postfix, handoff):
    """Told who the client is, or not; and from an address that it trusts."""
    endpoints = {"proxy2": postfix.proxy_endpoint, "xclient": postfix.xclient_endpoint,
                 "none": postfix.plain_endpoint}
    front = Front(make_gatepost, {"postfix": (endpoints[handoff], handoff)})
    before = len(postfix_senders(postfix))
    for mode, source, tls in itertools.product(MODES, (STRANGER, EXCLUDED, TRUSTED), (False, True)):
        run_session(front, mode, "postfix", source, tls, LF_FORMS)
    assert front.accepted == front.counted() <= front.commands
    wait_until(lambda: len(postfix_senders(postfix)) - before >= front.accepted, "all messages")
    senders = postfix_senders(postfix)[before:]
    assert len(senders) == front.accepted
    assert not any(sender.startswith("evil@") for sender in senders)


def test_gatepost_and_backend_stay_in_step_after_a_false_end(scripted):
    """The next message is the next message."""
    for name, backend in scripted.backends.items():
        client = scripted.open("normalize", name, STRANGER, False)
        for form in FORMS:
            send_one(scripted, client, 1, form, "normalize", SMUGGLED)
            client.envelope("next@gatepost.test")
            client.expect(354, "DATA")
            client.send(b"Subject: next\r\n\r\n.\r\n")
            assert client.reply().code == 250
            assert backend.messages[-1].recipients == [b"RCPT TO:<next@gatepost.test>"]
            assert backend.messages[-1].content.endswith(b"Subject: next\r\n\r\n")
        client.quit()
