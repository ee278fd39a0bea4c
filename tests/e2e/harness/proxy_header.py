"""Reading the PROXY protocol header, versions 1 and 2 (HAProxy's proxy-protocol.txt)."""

import socket
import struct
from dataclasses import dataclass

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FAMILIES = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}


@dataclass(frozen=True)
class ProxyHeader:
    """Who is connected to whom; local: the proxy speaks for itself."""

    local: bool
    client: tuple = None
    server: tuple = None


def read_v1(receive):
    """receive(n) gives exactly n bytes."""
    line = b""
    while not line.endswith(b"\r\n"):
        line += receive(1)
        assert len(line) <= 107, f"PROXY line too long: {line!r}"
    words = line[:-2].decode("ascii").split(" ")
    assert len(words) == 6 and words[0] == "PROXY" and words[1] in ("TCP4", "TCP6"), line
    family = socket.AF_INET if words[1] == "TCP4" else socket.AF_INET6
    for address in words[2:4]:
        socket.inet_pton(family, address)
    return ProxyHeader(False, (words[2], int(words[4])), (words[3], int(words[5])))


def read_v2(receive):
    """The same for the binary form."""
    signature = receive(12)
    assert signature == _SIGNATURE, f"no PROXY v2 signature: {signature!r}"
    version_command, family, length = struct.unpack("!BBH", receive(4))
    payload = receive(length)
    assert 16 + length <= 536, "longer than Postfix takes"
    if version_command == 0x20:
        return ProxyHeader(True)
    assert version_command == 0x21, hex(version_command)
    domain, size = _FAMILIES[family]
    client = socket.inet_ntop(domain, payload[:size])
    server = socket.inet_ntop(domain, payload[size:2 * size])
    client_port, server_port = struct.unpack_from("!HH", payload, 2 * size)
    return ProxyHeader(False, (client, client_port), (server, server_port))
