"""ClientHello messages made byte by byte, and how a server answers one.

For what no TLS library of today still says (SSLv2, SSLv3, export suites, compression), and for
finding out quickly what a server offers: nothing here computes a key.
"""

import os
import struct
from dataclasses import dataclass

from .client import Client

SSL3, TLS1, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
VERSION_NAMES = {SSL3: "SSLv3", TLS1: "TLSv1", TLS11: "TLSv1.1", TLS12: "TLSv1.2",
                 TLS13: "TLSv1.3"}
GROUPS = {"x25519": 29, "secp256r1": 23, "secp384r1": 24, "secp521r1": 25}
GROUP_NAMES = {number: name for name, number in GROUPS.items()}
_RANDOM_OF_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203,
               0x0201)
_HANDSHAKE, _ALERT = 22, 21
_SERVER_HELLO, _SERVER_KEY_EXCHANGE, _SERVER_HELLO_DONE = 2, 12, 14
_EXT_GROUPS, _EXT_POINTS, _EXT_SIGNATURES, _EXT_VERSIONS, _EXT_KEY_SHARE = 10, 11, 13, 43, 51


@dataclass
class Answer:
    """What a server said to a ClientHello. alert is (level, description); suite is None if it did
    not say ServerHello."""

    version: int = None
    suite: int = None
    compression: int = None
    group: int = None
    alert: tuple = None


def _vector(data, size):
    """data with its length in size bytes before it."""
    return len(data).to_bytes(size, "big") + data


def _numbers(values):
    """Two bytes for each."""
    return b"".join(struct.pack("!H", value) for value in values)


def _extensions(version, groups, signatures):
    """The extensions of a client that is content with everything."""
    parts = {_EXT_GROUPS: _vector(_numbers(groups), 2), _EXT_POINTS: b"\1\0",
             _EXT_SIGNATURES: _vector(_numbers(signatures), 2)}
    if version == TLS13:  # without a share, the server has to ask for one: that is answer enough
        parts |= {_EXT_VERSIONS: _vector(_numbers([TLS13]), 1), _EXT_KEY_SHARE: b"\0\0"}
    return _vector(b"".join(_numbers([kind]) + _vector(data, 2) for kind, data in parts.items()), 2)


def client_hello(version, suites, groups=tuple(GROUPS.values()), compression=b"\0",
                 signatures=_SIGNATURES):
    """A record with a ClientHello that offers this version as its highest (TLS 1.3: only)."""
    body = struct.pack("!H", min(version, TLS12)) + os.urandom(32) + b"\0"
    body += _vector(_numbers(suites), 2) + _vector(compression, 1)
    if version > SSL3:
        body += _extensions(version, groups, signatures)
    return struct.pack("!BH", _HANDSHAKE, min(version, TLS1)) + \
        _vector(b"\1" + _vector(body, 3), 2)


def sslv2_hello(version, suites):
    """A CLIENT-HELLO in the form of SSL 2.0 (RFC 5246 appendix E.2); suites are of three bytes."""
    specs = b"".join(suite.to_bytes(3, "big") for suite in suites)
    body = b"\1" + struct.pack("!HHHH", version, len(specs), 0, 16) + specs + os.urandom(16)
    return struct.pack("!H", 0x8000 | len(body)) + body


class _Records:
    """The server's handshake messages, as far as they are in the clear."""

    def __init__(self, sock):
        self.socket = sock
        self.handshake = b""
        self.alert = None

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            data += more
        return data

    def _more(self):
        """Another record; False if there is none that counts."""
        header = self._exactly(5)
        data = header and self._exactly(struct.unpack("!H", header[3:])[0])
        if data and header[0] == _ALERT:
            self.alert = tuple(data[:2])
        if not data or header[0] != _HANDSHAKE:
            return False
        self.handshake += data
        return True

    def message(self):
        """The next one: (type, body), or None."""
        while len(self.handshake) < 4 or \
                len(self.handshake) < 4 + int.from_bytes(self.handshake[1:4], "big"):
            if not self._more():
                return None
        end = 4 + int.from_bytes(self.handshake[1:4], "big")
        kind, body = self.handshake[0], self.handshake[4:end]
        self.handshake = self.handshake[end:]
        return kind, body


def _read_server_hello(answer, body):
    """Takes a ServerHello (or a HelloRetryRequest) to pieces; True if more will follow."""
    answer.version = struct.unpack_from("!H", body)[0]
    at = 35 + body[34]
    answer.suite, answer.compression = struct.unpack_from("!HB", body, at)
    at += 5
    while at + 4 <= len(body):
        kind, size = struct.unpack_from("!HH", body, at)
        data = body[at + 4:at + 4 + size]
        if kind == _EXT_VERSIONS:
            answer.version = struct.unpack("!H", data)[0]
        elif kind == _EXT_KEY_SHARE:
            answer.group = struct.unpack_from("!H", data)[0]
        at += 4 + size
    return body[2:34] != _RANDOM_OF_RETRY and answer.version < TLS13


def read_answer(sock):
    """Reads until the server waits for the client, or has closed."""
    records, answer = _Records(sock), Answer()
    while message := records.message():
        kind, body = message
        if kind == _SERVER_HELLO and not _read_server_hello(answer, body):
            break
        if kind == _SERVER_KEY_EXCHANGE:
            answer.group = struct.unpack_from("!H", body, 1)[0]
        if kind == _SERVER_HELLO_DONE:
            break
    answer.alert = records.alert
    return answer


def ask(address, source, hello):
    """STARTTLS from a source address, then these bytes; the server's answer."""
    with Client(address, source) as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        client.send(hello)
        return read_answer(client.socket)
