"""Taking a delivered message apart: trace headers, ours, and what the client sent."""

import re
from dataclasses import dataclass

_OURS = re.compile(r"Received-TLS: from (\S+) \(\[(\S+)\]\) by (\S+) (\(.*\)); "
                   r"(\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}( \(\w+\))?)")
_FIELD = re.compile(rb"([!-9;-~]+):[^\n]*\n(?:[ \t][^\n]*\n)*")


def split_fields(message):
    """The header fields at the start of an LF message, each with its continuation lines, and what
    follows them."""
    fields, position = [], 0
    while match := _FIELD.match(message, position):
        fields.append(match[0].decode("latin-1"))
        position = match.end()
    return fields, message[position:]


def split_delivered(message):
    """A message delivered by Postfix: (Postfix's Received field, our Received-TLS field, the rest
    as bytes). The fields above Received are Postfix's too."""
    position = 0
    while match := _FIELD.match(message, position):
        position = match.end()
        if match[1] == b"Received":
            break
    received = match[0].decode("latin-1")
    ours, rest = split_ours(message[position:], b"\n")
    return received, ours, rest


@dataclass(frozen=True)
class ReceivedTls:
    """What a Received-TLS field says."""

    helo: str
    address: str
    hostname: str
    protection: str
    date: str


def split_ours(content, newline=b"\r\n"):
    """Message content with our field first: (what it says, the rest)."""
    assert content.startswith(b"Received-TLS: "), content[:200]
    end = content.index(newline)
    while content[end + len(newline):][:1] in (b" ", b"\t"):
        end = content.index(newline, end + 1)
    field = unfold(content[:end].decode("latin-1"))
    match = _OURS.fullmatch(field)
    assert match, field
    return ReceivedTls(*match.groups()[:5]), content[end + len(newline):]


def unfold(field):
    """A field on one line, each run of white space one blank."""
    return " ".join(field.split())
