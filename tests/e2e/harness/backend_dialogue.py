"""One connection of the backend that tests put behind gatepost: the SMTP dialogue, and its faults.

The steps that can be armed with an action are a command's name, or CONNECT (instead of the
greeting), DATA (the reply to the command), CONTENT (as soon as the first bytes of content are
there; nothing more is said after that), END (the reply after the final dot), IDLE (after the reply
to END was sent), BDAT and BDAT1, BDAT2... (the reply to any chunk, or to the first...).

Recipients at the host "late" are accepted, and messages for those at "late-end" taken, only when the
test says so.
"""

import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from . import proxy_header
from .wait import DEADLINE

DROP = "drop"  # close the connection
RESET = "reset"  # close it with a TCP reset
HANG = "hang"  # say nothing more, until the other end closes
HALF = "half"  # send end of file, but go on reading
DEAF = "deaf"  # neither read nor say anything more, until the other end closes


@dataclass(frozen=True)
class Say:
    """Send these bytes as the reply; slowly: each byte in a packet of its own; pause: seconds
    before each of them, or before all; then: an action; accepts: they say yes, so what was
    commanded holds."""

    data: bytes
    slowly: bool = False
    then: str = ""
    accepts: bool = False
    pause: float = 0


@dataclass(frozen=True)
class After:
    """Wait for the event, then send these bytes as the reply."""

    event: threading.Event
    data: bytes


@dataclass
class Message:
    """One message as it arrived: content without dot-stuffing, and the chunks' (size, last)."""

    mail: bytes
    recipients: list
    content: bytes = b""
    chunks: list = field(default_factory=list)


@dataclass
class Session:
    """One connection, from the first byte."""

    received: bytearray = field(default_factory=bytearray)
    proxy: proxy_header.ProxyHeader = None
    xclient: bytes = b""
    commands: list = field(default_factory=list)
    messages: list = field(default_factory=list)
    acted: bool = False  # what was armed for CONTENT has been done, unless that ends the connection
    closed: bool = False


class Ended(Exception):
    """The connection is over."""


class Dialogue:
    """Serves one connection."""

    def __init__(self, backend, conn, session):
        self.backend, self.conn, self.session = backend, conn, session
        self.buffer = b""
        self.mail, self.recipients, self.message = None, [], None
        self.chunks = 0

    def action(self, step):
        """What is armed for a step in this session."""
        proxy = self.session.proxy
        return self.backend.action(step, proxy.client[0] if proxy and not proxy.local else None)

    # Bytes

    def receive_more(self):
        try:
            data = self.conn.recv(65536)
        except OSError:
            data = b""
        if not data:
            raise Ended
        self.session.received += data
        self.buffer += data

    def receive(self, count):
        while len(self.buffer) < count:
            self.receive_more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def send(self, data, slowly=False, pause=0):
        pieces = [data[position:position + 1] for position in range(len(data))] if slowly else [data]
        try:
            for piece in pieces:
                time.sleep(pause)
                self.conn.sendall(piece)
        except OSError:
            raise Ended from None

    def act(self, action):
        if isinstance(action, After):
            action.event.wait(DEADLINE)
            action = Say(action.data)
        if isinstance(action, Say):
            self.send(action.data, action.slowly, action.pause)
            action = action.then
        if action == RESET:
            self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if action in (DROP, RESET):
            raise Ended
        if action == HALF:
            self.conn.shutdown(socket.SHUT_WR)
        self.session.acted = self.message is not None
        while action in (HANG, HALF):
            self.receive_more()
        if action == DEAF:
            self.wait_hangup()

    def wait_hangup(self):
        """Until the other end has closed; only then what it had sent is read."""
        poll = select.poll()
        poll.register(self.conn, select.POLLRDHUP)
        poll.poll()
        while True:
            self.receive_more()

    def reply(self, step, data):
        """Does what is armed for the step, or else sends data; True if that says yes."""
        action = self.action(step)
        if action is None:
            self.send(data)
            return True
        self.act(action)
        return isinstance(action, Say) and action.accepts

    # SMTP

    def run(self):
        if self.backend.handoff == "proxy2":
            self.session.proxy = proxy_header.read_v2(self.receive)
        elif self.backend.handoff == "proxy1":
            self.session.proxy = proxy_header.read_v1(self.receive)
        self.reply("CONNECT", b"220 backend.test ESMTP\r\n")
        while True:
            while b"\n" not in self.buffer:
                self.receive_more()
            line, _, self.buffer = self.buffer.partition(b"\n")
            line = line.rstrip(b"\r")
            self.session.commands.append(line)
            verb = line.split(b" ")[0].decode("latin-1").upper()
            handler = getattr(self, "do_" + verb.lower(), None)
            if handler and verb.isalpha():
                handler(line)
            else:
                self.reply(verb, b"500 5.5.2 Error: command not recognized\r\n")

    def forget(self):
        self.mail, self.recipients, self.message = None, [], None

    def do_ehlo(self, _):
        self.forget()
        lines = ("backend.test", *self.backend.capabilities)
        if self.backend.handoff == "xclient":
            lines += ("XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT",)
        text = "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}\r\n"
        self.reply("EHLO", text.encode("ascii"))

    def do_helo(self, _):
        self.forget()
        self.reply("HELO", b"250 backend.test\r\n")

    def do_xclient(self, line):
        if self.action("XCLIENT") is None:
            self.session.xclient = line
        self.reply("XCLIENT", b"220 backend.test ESMTP\r\n")

    def do_mail(self, line):
        if self.reply("MAIL", b"250 2.1.0 Ok\r\n"):
            self.mail = line

    def do_rcpt(self, line):
        if b"<reject@" in line:
            self.send(b"550 5.1.1 User unknown\r\n")
            return
        if b"@late>" in line:
            self.backend.late.wait()
        if self.reply("RCPT", b"250 2.1.5 Ok\r\n"):
            self.recipients.append(line)

    def complete(self, step, text):
        """The message is here; it counts if the reply will say so."""
        if any(b"@late-end>" in one for one in self.recipients):
            self.backend.late.wait()
        action = self.action(step)
        if action is None or isinstance(action, Say) and action.accepts:
            self.session.messages.append(self.message)
        self.forget()
        self.reply(step, b"250 2.0.0 Ok: " + text + b"queued as CAPTURED\r\n")
        self.chunks = 0
        if idle := self.action("IDLE"):
            self.act(idle)

    def do_data(self, _):
        if not self.recipients:
            self.send(b"554 5.5.1 Error: no valid recipients\r\n")
            return
        if not self.reply("DATA", b"354 End data with <CR><LF>.<CR><LF>\r\n"):
            return
        self.message = Message(self.mail, self.recipients)
        while not self.buffer:
            self.receive_more()
        if action := self.action("CONTENT"):
            self.act(action)
            self.act(HANG)
        self.message.content = self.receive_content()
        self.complete("END", b"")

    def receive_content(self):
        """What comes up to CRLF.CRLF, without dot-stuffing."""
        content = bytearray(b"\r\n")
        while True:
            start = max(len(content) - 5, 0)
            content += self.buffer
            self.buffer = b""
            end = content.find(b"\r\n.\r\n", start)
            if end >= 0:
                break
            self.receive_more()
        self.buffer = bytes(content[end + 5:])
        return bytes(content[:end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    def do_bdat(self, line):
        words = line.split()
        size, last = int(words[1]), len(words) > 2
        chunk = self.receive(size)
        if not self.recipients:
            self.send(b"503 5.5.1 Error: need RCPT command\r\n")
            return
        self.message = self.message or Message(self.mail, self.recipients)
        self.message.content += chunk
        self.message.chunks.append((size, last))
        self.chunks += 1
        numbered = f"BDAT{self.chunks}"
        step = numbered if self.action(numbered) else "BDAT"
        if last:
            self.complete(step, b"%d bytes " % len(self.message.content))
        else:
            self.reply(step, b"250 2.0.0 Ok: %d bytes\r\n" % size)

    def do_rset(self, _):
        self.forget()
        self.reply("RSET", b"250 2.0.0 Ok\r\n")

    def do_noop(self, _):
        self.reply("NOOP", b"250 2.0.0 Ok\r\n")

    def do_vrfy(self, line):
        self.reply("VRFY", b"252 2.0.0 " + line[5:] + b"\r\n")

    def do_etrn(self, _):
        self.reply("ETRN", b"250 Queuing started\r\n")

    def do_quit(self, _):
        self.reply("QUIT", b"221 2.0.0 Bye\r\n")
        raise Ended

    def do_auth(self, line):
        """AUTH LOGIN: asks for two lines, takes the password "secret"."""
        self.reply("AUTH", b"334 VXNlcm5hbWU6\r\n")
        answers = []
        for question in (b"334 UGFzc3dvcmQ6\r\n", None):
            while b"\n" not in self.buffer:
                self.receive_more()
            answer, _, self.buffer = self.buffer.partition(b"\n")
            answers.append(answer.rstrip(b"\r"))
            if answers[-1] == b"*":
                self.send(b"501 5.7.0 Authentication aborted\r\n")
                return
            if question:
                self.send(question)
        accepted = answers[1] == b"c2VjcmV0"
        self.send(b"235 2.7.0 Authentication successful\r\n" if accepted else
                  b"535 5.7.8 Error: authentication failed\r\n")
