"""A fast backend in a process of its own: thousands of sessions, killed and started at will.

Of each message that it accepts it writes a line into a file before it says 250: the message's
number, the digest of its content without the Received-TLS field, and the length of that. So what
was accepted is known whatever happens to the process.

Clients choose its faults. MAIL FROM:<fault.STEP.ACTION@...> makes it do ACTION at STEP of that
transaction; a client with the address of fault_address() gets one before that. After SIGUSR1 it
goes on reading where the action was "wait". RCPT TO:<verbose@...> gets a long reply.
"""

import hashlib
import heapq
import os
import re
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time

_EARLY_STEPS = ("connect", "ehlo")
STEPS = ("mail", "rcpt", "data", "content", "end")
ACTIONS = ("drop", "reset", "hang", "421", "451", "554", "nonsense", "slow", "wait")
_FAULT = re.compile(rb"<fault\.(\w+)\.(\w+)@")
_NUMBER = re.compile(rb"^X-Number: (\S+)\r$", re.MULTILINE)
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250 CHUNKING\r\n"
_OUT_HIGH = 65536
# As on an Ethernet. Loopback's 64 KiB would make the kernel take megabytes for each connection.
SEGMENT = 1400
_SLOW_BYTES, _SLOW_SECONDS = 1024, 1.0


def fault_address(step, action):
    """The client address that gets a fault at "connect" or "ehlo"."""
    return f"127.99.{_EARLY_STEPS.index(step)}.{ACTIONS.index(action)}"


class Sink:
    """The process, seen from a test."""

    def __init__(self, port, path):
        self.port, self.path = port, path
        self.process = None
        open(path, "ab").close()
        self.start()

    @property
    def endpoint(self):
        """As gatepost_backend wants it."""
        return f"inet:127.0.0.1:{self.port}"

    def start(self):
        """Starts it (again); it listens when this returns."""
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.sink", str(self.port), self.path], cwd=here,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n", "the sink did not start"

    def kill(self):
        """As a crash would end it."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def go_on(self):
        """Ends all waiting."""
        self.process.send_signal(signal.SIGUSR1)

    def records(self):
        """What was accepted so far: (number, digest, length)."""
        with open(self.path, encoding="ascii") as file:
            lines = file.read().split("\n")[:-1]
        return [tuple(line.split(" ")) for line in lines]


def digest(content):
    """How contents are compared."""
    return hashlib.sha256(content).hexdigest()


def _record(content):
    """The line for a message."""
    head, _, rest = content.partition(b"\r\n")
    while rest[:1] in (b" ", b"\t"):
        _, _, rest = rest.partition(b"\r\n")
    number = _NUMBER.search(rest)
    if not head.startswith(b"Received-TLS: from ") or not number:
        return f"?{head[:40]!r} {digest(content)} {len(content)}\n".replace("' ", "'")
    return f"{number[1].decode()} {digest(rest)} {len(rest)}\n"


class _Ended(Exception):
    """The connection is over."""


class _Session:
    """One connection. run() does what can be done with what has arrived."""

    def __init__(self, server, conn):
        self.server, self.conn = server, conn
        self.buffer, self.out = bytearray(), bytearray()
        self.state = self.proxy
        self.faults = {}
        self.pace = ""  # "slow", "wait": how it reads
        self.scheduled = False  # its next slow turn is
        self.hangs = False
        self.events = 0
        self.recipients, self.content, self.searched, self.left = 0, bytearray(), 0, (0, False)

    # Each of these states returns False if it needs more bytes.

    def proxy(self):
        if len(self.buffer) < 16:
            return False
        length = struct.unpack_from("!H", self.buffer, 14)[0]
        if len(self.buffer) < 16 + length:
            return False
        if self.buffer[:12] != _SIGNATURE:
            raise _Ended
        source = tuple(self.buffer[16:20])
        if self.buffer[12] == 0x21 and source[:2] == (127, 99):
            self.faults[_EARLY_STEPS[source[2]]] = ACTIONS[source[3]]
        del self.buffer[:16 + length]
        self.state = self.command
        self.say("connect", b"220 sink.test ESMTP\r\n")
        return True

    def command(self):
        end = self.buffer.find(b"\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end]).rstrip(b"\r")
        del self.buffer[:end + 1]
        getattr(self, "do_" + line[:4].decode("latin-1").lower().strip(), self.unknown)(line)
        return True

    def data(self):
        content = self.content
        content += self.buffer
        self.buffer.clear()
        end = content.find(b"\r\n.\r\n", self.searched)
        if end < 0:
            self.searched = max(0, len(content) - 4)
            return False
        self.buffer += content[end + 5:]
        self.complete(bytes(content[:end + 2]).replace(b"\r\n.", b"\r\n")[2:])
        return True

    def chunk(self):
        size, last = self.left
        part = self.buffer[:size]
        self.content += part
        del self.buffer[:len(part)]
        self.left = size - len(part), last
        if len(part) < size:
            return False
        self.state = self.command
        if last:
            self.complete(bytes(self.content))
        else:
            self.out += b"250 2.0.0 Ok\r\n"
        return True

    def complete(self, content):
        self.state = self.command
        self.pace = ""
        self.recipients = 0
        if self.faults.get("end") is None:
            self.server.record(content)
        self.say("end", b"250 2.0.0 Ok: queued\r\n")
        self.content = bytearray()

    # Commands

    def unknown(self, _):
        self.out += b"500 5.5.2 Error: command not recognized\r\n"

    def do_ehlo(self, _):
        self.recipients = 0
        self.say("ehlo", _EHLO)

    do_helo = do_ehlo

    def do_mail(self, line):
        fault = _FAULT.search(line)
        self.faults = {fault[1].decode(): fault[2].decode()} if fault else {}
        self.content = bytearray()
        self.say("mail", b"250 2.1.0 Ok\r\n")

    def do_rcpt(self, line):
        self.recipients += 1
        self.say("rcpt", b"250 2.1.5 Ok" + (b"." * 450 if b"<verbose@" in line else b"") + b"\r\n")

    def do_data(self, _):
        if not self.recipients:
            self.out += b"554 5.5.1 Error: no valid recipients\r\n"
        elif self.say("data", b"354 End data with <CR><LF>.<CR><LF>\r\n"):
            self.content, self.searched, self.state = bytearray(b"\r\n"), 0, self.data
            self.say("content", b"")

    def do_bdat(self, line):
        words = line.split()
        if not self.recipients:
            raise _Ended
        self.left, self.state = (int(words[1]), len(words) > 2), self.chunk

    def do_rset(self, _):
        self.recipients = 0
        self.out += b"250 2.0.0 Ok\r\n"

    def do_noop(self, _):
        self.out += b"250 2.0.0 Ok\r\n"

    def do_quit(self, _):
        self.out += b"221 2.0.0 Bye\r\n"
        raise _Ended

    def say(self, step, reply):
        """The reply at a step, or the fault; True if it was the reply."""
        action = self.faults.get(step)
        if action is None:
            self.out += reply
            return True
        if action == "reset":
            self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.out.clear()
        if action in ("drop", "reset"):
            raise _Ended
        if action in ("slow", "wait"):
            self.pace = action
            self.out += reply
            return True
        if action == "hang":
            self.hangs = True
        elif action == "nonsense":
            self.out += b"no reply at all\r\n"
        else:
            self.out += action.encode() + b" fault asked for\r\n"
        if action == "421":
            raise _Ended
        return False

    def run(self):
        """As far as it goes."""
        while not self.hangs and len(self.out) < _OUT_HIGH and self.state():
            pass


class _Server:
    """All connections, in one thread."""

    def __init__(self, port, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.selector = selectors.EpollSelector()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(4096)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.waiting = set()
        self.later = []  # (when, number, session): slow ones
        self.woken = False
        signal.signal(signal.SIGUSR1, self.wake)

    def wake(self, *_):
        self.woken = True

    def record(self, content):
        os.write(self.file, _record(content).encode("ascii", "replace"))

    def accept(self):
        for _ in range(64):
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            conn.setblocking(False)
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.watch(_Session(self, conn))

    def watch(self, session):
        """Waits for what the session can use."""
        events = selectors.EVENT_WRITE if session.out else 0
        if not session.pace and len(session.out) < _OUT_HIGH:
            events |= selectors.EVENT_READ
        if events == session.events:
            return
        if not session.events:
            self.selector.register(session.conn, events, session)
        elif not events:
            self.selector.unregister(session.conn)
        else:
            self.selector.modify(session.conn, events, session)
        session.events = events

    def close(self, session):
        if session.events:
            self.selector.unregister(session.conn)
        self.waiting.discard(session)
        session.conn.close()

    def serve(self, session, read, limit=262144):
        """One turn; a session that is over is closed."""
        try:
            if read:
                data = session.conn.recv(limit)
                if not data:
                    raise _Ended
                session.buffer += data
            try:
                session.run()
            finally:
                if session.out:
                    del session.out[:session.conn.send(session.out)]
        except BlockingIOError:
            pass
        except (_Ended, OSError):
            self.close(session)
            return
        if session.pace == "wait" and session not in self.waiting:
            self.waiting.add(session)
        elif session.pace == "slow" and not session.scheduled:
            session.scheduled = True
            heapq.heappush(self.later, (time.monotonic() + _SLOW_SECONDS, id(session), session))
        self.watch(session)

    def go_on(self):
        """All that wait read again."""
        self.woken = False
        for session in list(self.waiting):
            self.waiting.discard(session)
            session.pace = ""
            self.watch(session)

    def run(self):
        while True:
            timeout = max(0, self.later[0][0] - time.monotonic()) if self.later else None
            try:
                ready = self.selector.select(0.5 if timeout is None else min(timeout, 0.5))
            except InterruptedError:
                ready = []
            if self.woken:
                self.go_on()
            for key, events in ready:
                if key.fileobj is self.listener:
                    self.accept()
                elif key.data.conn.fileno() >= 0:
                    self.serve(key.data, events & selectors.EVENT_READ)
            while self.later and self.later[0][0] <= time.monotonic():
                session = heapq.heappop(self.later)[2]
                session.scheduled = False
                if session.pace == "slow" and session.conn.fileno() >= 0:
                    self.serve(session, True, _SLOW_BYTES)


def main():
    """python3 -m harness.sink PORT FILE"""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = _Server(int(sys.argv[1]), sys.argv[2])
    print("ready", flush=True)
    server.run()


if __name__ == "__main__":
    main()
