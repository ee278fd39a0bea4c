"""An SMTP client that decides itself what goes into which packet."""

import select
import socket
import ssl
import struct
from dataclasses import dataclass

from .wait import DEADLINE


class Closed(Exception):
    """The server closed the connection where a reply was expected."""


@dataclass(frozen=True)
class Reply:
    """One complete reply: code, the texts behind it, and the bytes as they came."""

    code: int
    lines: tuple
    raw: bytes

    @property
    def text(self):
        """The reply as one line: "250 2.0.0 Ok"."""
        return f"{self.code} {self.lines[-1]}"


def tls_context(minimum=None, maximum=None, group=None, ciphers="DEFAULT:@SECLEVEL=0"):
    """A client context that trusts any certificate and speaks even TLS 1.0."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(ciphers)
    context.minimum_version = minimum or ssl.TLSVersion.TLSv1
    if maximum:
        context.maximum_version = maximum
    if group:
        context.set_ecdh_curve(group)
    return context


class Client:
    """One connection. address is (host, port); source is the local host to connect from; connected
    is a socket that is connected already."""

    def __init__(self, address, source=None, greeting=True, timeout=DEADLINE, connected=None):
        source_address = (source, 0) if source else None
        self.socket = connected or socket.create_connection(address, timeout, source_address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.greeting = self.reply() if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Bytes

    def send(self, data):
        """Sends in one write: a packet, or a TLS record."""
        self.socket.sendall(data)

    def send_pieces(self, data, sizes):
        """Sends data in pieces; sizes is an iterator of their lengths."""
        position = 0
        while position < len(data):
            size = next(sizes)
            self.socket.sendall(data[position:position + size])
            position += size

    def _receive(self):
        """More bytes into the buffer; False at end of file."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        self._buffer += data
        return bool(data)

    def has_input(self):
        """Whether something is there to be read, or the end."""
        if self._buffer:
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

    def line(self):
        """One line of a reply, with its line end."""
        while b"\n" not in self._buffer:
            if not self._receive():
                raise Closed(f"connection closed after {self._buffer!r}")
        line, _, self._buffer = self._buffer.partition(b"\n")
        assert line.endswith(b"\r"), f"line end is not CRLF: {line!r}"
        return line + b"\n"

    def reply(self):
        """The next reply, whole and well-formed."""
        raw, lines = b"", []
        while True:
            line = self.line()
            raw += line
            code, separator, text = line[:3], line[3:4], line[4:-2]
            assert code.isdigit() and separator in (b" ", b"-", b"\r"), f"not a reply: {line!r}"
            assert raw[:3] == code, f"codes differ: {raw!r}"
            lines.append(text.decode("latin-1"))
            if separator != b"-":
                return Reply(int(code), tuple(lines), raw)

    def rest(self):
        """Everything until the server closes; then closes too."""
        while self._receive():
            pass
        self.close()
        rest, self._buffer = self._buffer, b""
        return rest

    def rest_unbroken(self):
        """The same; a reset by the server is an error."""
        while data := self.socket.recv(65536):
            self._buffer += data
        return self.rest()

    def reset(self):
        """Closes with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        """Closes without a word."""
        self.socket.close()

    # SMTP

    def command(self, line):
        """Sends a command line and returns its reply."""
        data = line if isinstance(line, bytes) else line.encode("latin-1")
        self.send(data + b"\r\n")
        return self.reply()

    def expect(self, code, line):
        """The same, and the reply must have this code."""
        reply = self.command(line)
        assert reply.code == code, f"{line!r} got {reply.raw!r}"
        return reply

    def ehlo(self, name="client.example"):
        """EHLO; returns the set of keyword lines."""
        return set(self.expect(250, "EHLO " + name).lines[1:])

    def handshake(self, context=None):
        """TLS from the next byte on."""
        assert not self._buffer, f"unexpected {self._buffer!r} before the handshake"
        context = context or tls_context()
        self.socket = context.wrap_socket(self.socket, server_hostname="front.gatepost.test")

    def starttls(self, context=None):
        """STARTTLS and the handshake."""
        self.expect(220, "STARTTLS")
        self.handshake(context)

    def envelope(self, recipient, sender="sender@client.example"):
        """MAIL and RCPT, which must be accepted."""
        self.expect(250, f"MAIL FROM:<{sender}>")
        self.expect(250, f"RCPT TO:<{recipient}>")

    def deliver(self, recipient, content, sender="sender@client.example"):
        """A whole transaction with DATA; content is unstuffed and ends in CRLF or is empty."""
        self.envelope(recipient, sender)
        self.expect(354, "DATA")
        self.send(dot_stuff(content) + b".\r\n")
        reply = self.reply()
        assert reply.code == 250, reply.raw
        return reply

    def quit(self):
        """QUIT; the server says 221 and closes."""
        self.expect(221, "QUIT")
        assert self.rest() == b""


def dot_stuff(content):
    """Content as it goes behind DATA (RFC 5321 section 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def greets(host, port=25):
    """Whether something answers there."""
    try:
        with Client((host, port), "127.0.0.2"):
            return True
    except (OSError, Closed):
        return False
