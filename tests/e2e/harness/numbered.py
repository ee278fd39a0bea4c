"""Messages with numbers, and the book that is kept of them.

Each attempt to deliver a message has a number of its own, so that what arrives can be held against
what its client heard:

- ACCEPTED: the client heard 250. It arrives exactly once.
- UNHEARD: everything up to the end of the message was sent, and then the connection or the backend
  was lost before there was a verdict. It arrives once or not at all; a client would try again.
- NEVER: it was not sent to its end, or refused. It does not arrive.

In each case what arrives is what was sent, but for the Received-TLS field.
"""

import threading
from collections import Counter

from .client import Closed, dot_stuff
from .sink import digest

NEVER, UNHEARD, ACCEPTED = "never", "unheard", "accepted"
LOSSES = (OSError, Closed)  # what a client sees of a connection that is lost


class Refused(Exception):
    """A reply that ends the attempt; the session may go on."""


class Attempt:
    """One number: what was sent under it, and what became of it."""

    __slots__ = ("number", "digest", "outcome")

    def __init__(self, number, content):
        self.number, self.digest, self.outcome = number, digest(content), NEVER


def make_content(rng, number, longest=60_000):
    """A message that is awkward to pass on: dots, blanks, eight bits, long lines, none at all."""
    lines = [b"Subject: message", b"X-Number: " + number.encode("ascii")]
    if rng.random() < 0.9:
        lines += [b"X-Folded: a", b"\tb", b""]
        size = int(longest ** rng.random())
        while size > 0:
            line = rng.choice((b"", b".", b"..", b".x", b" ", rng.randbytes(rng.randint(1, 100)),
                               b"y" * rng.randint(1, 3000)))
            lines.append(line.translate(None, b"\r\n\0"))
            size -= len(line) + 2
    return b"\r\n".join(lines) + b"\r\n"


class Book:
    """All attempts. Any thread may write."""

    def __init__(self, name):
        self.name = name
        self.attempts = {}
        self._lock = threading.Lock()

    def attempt(self, rng, longest=60_000, more=b""):
        """A new number with its content; more is put behind it."""
        with self._lock:
            number = f"{self.name}.{len(self.attempts)}"
            self.attempts[number] = None
        content = make_content(rng, number, longest) + more
        self.attempts[number] = attempt = Attempt(number, content)
        return attempt, content

    def count(self, outcome):
        """How many attempts came to this."""
        with self._lock:
            attempts = list(self.attempts.values())
        return sum(attempt is not None and attempt.outcome == outcome for attempt in attempts)

    def complaints(self, records):
        """What is wrong with what arrived: (number, digest, length) each."""
        arrived, wrong = Counter(), []
        for number, found, _ in records:
            arrived[number] += 1
            attempt = self.attempts.get(number)
            if attempt is None:
                wrong.append(f"{number}: arrived, but was never sent")
            elif attempt.digest != found:
                wrong.append(f"{number}: arrived changed")
        for number, attempt in self.attempts.items():
            outcome = attempt.outcome if attempt else NEVER
            if arrived[number] > 1:
                wrong.append(f"{number}: arrived {arrived[number]} times ({outcome})")
            elif arrived[number] and outcome == NEVER:
                wrong.append(f"{number}: arrived, but was not sent to its end, or was refused")
            elif not arrived[number] and outcome == ACCEPTED:
                wrong.append(f"{number}: lost, though the client heard 250")
        return wrong

    def check(self, records):
        """Fails if there are complaints."""
        wrong = self.complaints(records)
        assert not wrong, "\n".join(wrong[:20] + [f"... {len(wrong)} in all"])


def _step(reply, code):
    if reply.code != code:
        raise Refused(reply.text)


def _verdict(attempt, reply):
    """After the end was sent. 421 is no verdict: the backend was lost."""
    if reply.code == 250:
        attempt.outcome = ACCEPTED
        return
    if reply.code != 421:
        attempt.outcome = NEVER
    raise Refused(reply.text)


def _send_data(client, attempt, content, rng):
    _step(client.command("DATA"), 354)
    stuffed = dot_stuff(content)
    split = rng.choice((0, len(stuffed) // 2, len(stuffed)))
    client.send(stuffed[:split])
    attempt.outcome = UNHEARD
    client.send(stuffed[split:] + b".\r\n")


def _send_chunks(client, attempt, content, rng):
    split = rng.randint(0, len(content))
    client.send(b"BDAT %d\r\n" % split + content[:split])
    _step(client.reply(), 250)
    attempt.outcome = UNHEARD
    client.send(b"BDAT %d LAST\r\n" % (len(content) - split) + content[split:])


def deliver(client, attempt, content, rng, sender="sender@client.example"):
    """One transaction. Returns if the message was accepted; raises Refused, or one of LOSSES."""
    _step(client.command(f"MAIL FROM:<{sender}>"), 250)
    _step(client.command("RCPT TO:<r@gatepost.test>"), 250)
    send = _send_chunks if rng.random() < 0.3 else _send_data
    send(client, attempt, content, rng)
    _verdict(attempt, client.reply())
