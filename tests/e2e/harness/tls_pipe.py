"""TLS whose records are in the test's hands: cut into pieces, or into smaller records, mixed with
other bytes, ended in the midst."""

import ssl
import struct

from .client import tls_context

NAME = "front.gatepost.test"
ALERT, HANDSHAKE, DATA = 21, 22, 23


def alert(description, level=2, version=0x0303):
    """An alert in the clear."""
    return struct.pack("!BHHBB", ALERT, version, 2, level, description)


def whole(data):
    """One write."""
    return [data]


def bytewise(data):
    """Each byte in a write of its own."""
    return [data[at:at + 1] for at in range(len(data))]


def tiny_records(data):
    """Handshake records, as long as they are in the clear, with one byte of content each."""
    pieces, clear = [], True
    while data:
        kind, version, length = struct.unpack("!BHH", data[:5])
        body, data = data[5:5 + length], data[5 + length:]
        clear = clear and kind == HANDSHAKE
        size = 1 if clear else max(length, 1)
        pieces.append(b"".join(struct.pack("!BHH", kind, version, len(body[at:at + size])) +
                               body[at:at + size] for at in range(0, max(length, 1), size)))
    return pieces


class TlsPipe:
    """A client's TLS connection over a socket, with the methods of a socket that Client needs.
    cut(bytes) gives the pieces in which ciphertext is sent."""

    def __init__(self, sock, context=None, cut=whole):
        self.raw, self.cut = sock, cut
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or tls_context()).wrap_bio(self.incoming, self.outgoing,
                                                       server_hostname=NAME)

    def flush(self):
        """Sends what TLS has to say."""
        for piece in self.cut(self.outgoing.read()):
            self.raw.sendall(piece)

    def feed(self):
        """Reads ciphertext; False at end of file."""
        data = self.raw.recv(65536)
        if data:
            self.incoming.write(data)
        return bool(data)

    def hello(self):
        """The ClientHello, which is not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def handshake(self, flights=None):
        """All of it, or so many of the client's flights."""
        while flights is None or flights > 0:
            try:
                self.tls.do_handshake()
                self.flush()
                return self
            except ssl.SSLWantReadError:
                if self.outgoing.pending and flights:
                    flights -= 1
                self.flush()
            if flights == 0:
                return self
            if not self.feed():
                raise ssl.SSLEOFError("closed in the handshake")
        return self

    def sendall(self, data):
        """Sends data as TLS makes records of it."""
        self.tls.write(data)
        self.flush()

    def record(self, data):
        """The ciphertext of data, which is not sent."""
        self.tls.write(data)
        return self.outgoing.read()

    def recv(self, size):
        """Plaintext; b"" after the server's close_notify, or end of file."""
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                if not self.feed():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    def say_goodbye(self):
        """close_notify, without waiting for the server's."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # it wants the server's
        self.flush()

    def shutdown(self, how):
        self.raw.shutdown(how)

    def setsockopt(self, *arguments):
        self.raw.setsockopt(*arguments)

    def getsockname(self):
        return self.raw.getsockname()

    def close(self):
        self.raw.close()
