"""TLS whose handshake is done in two steps, for a client that takes its time."""

import ssl


class TlsInSteps:
    """Takes the place of a connected socket, once finish() is done."""

    def __init__(self, sock, context):
        self._socket = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._rest = b""

    def begin(self):
        """Sends the first half of the ClientHello."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = self._outgoing.read()
        self._socket.sendall(hello[:len(hello) // 2])
        self._rest = hello[len(hello) // 2:]

    def finish(self):
        """Sends the other half, and all that the server then wants."""
        self._socket.sendall(self._rest)
        self._run(self._tls.do_handshake)

    def _flush(self):
        data = self._outgoing.read()
        if data:
            self._socket.sendall(data)

    def _run(self, operation, *arguments):
        while True:
            try:
                result = operation(*arguments)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
            data = self._socket.recv(65536)
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    # What a socket does

    def sendall(self, data):
        """Sends all of data."""
        self._run(self._tls.write, data)

    def recv(self, size):
        """Some bytes; none at the end."""
        try:
            return self._run(self._tls.read, size)
        except ssl.SSLZeroReturnError:
            return b""

    def getpeercert(self, binary_form=False):
        """The server's certificate."""
        return self._tls.getpeercert(binary_form)

    def close(self):
        """Closes the socket."""
        self._socket.close()
