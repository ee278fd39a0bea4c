"""The messages that every client is to deliver, and what is to be seen of them."""

from dataclasses import dataclass

from harness.postfix import DOMAIN

TEXT = "The first line.\n.dot\n"
UTF8 = "Grüße aus dem Süden\n"


@dataclass(frozen=True)
class Kind:
    """One of the messages: to which of gatepost's listeners it goes, and what is in it."""

    name: str
    listener: str  # of Site.ports
    ipv6: bool = False
    eight_bit: bool = False
    smtputf8: bool = False


KINDS = [Kind("tls13", "any"), Kind("again", "any", eight_bit=True), Kind("tls12", "tls12"),
         Kind("ipv6", "any", ipv6=True), Kind("utf8", "any", eight_bit=True, smtputf8=True)]
NAMES = [kind.name for kind in KINDS]


@dataclass(frozen=True)
class Job:
    """A message that a client shall deliver to host:port, if it can from the address source."""

    kind: Kind
    peer: str
    host: str
    port: int
    source: str

    @property
    def token(self):
        """In the recipient's and the sender's address; no other message has it."""
        return f"{self.peer}.{self.kind.name}."

    @property
    def recipient(self):
        """An address of the backend."""
        return f"{self.token}{'müller' if self.kind.smtputf8 else 'r'}@{DOMAIN}"

    @property
    def sender(self):
        """Whose bounces nobody gets."""
        return f"{self.token}{'jürgen' if self.kind.smtputf8 else 's'}@client.example"

    @property
    def body(self):
        """What must arrive as it is, as bytes with LF line ends."""
        return (TEXT + (UTF8 if self.kind.eight_bit else "")).encode()

    @property
    def message(self):
        """The whole message, as bytes with LF line ends."""
        mime = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" \
               "Content-Transfer-Encoding: 8bit\n" if self.kind.eight_bit else ""
        subject = "Grüße" if self.kind.smtputf8 else "hello"
        header = f"From: {self.sender}\nTo: {self.recipient}\nSubject: {subject}\n" \
                 "Date: Sun, 01 Nov 2026 12:00:00 +0000\n" \
                 f"Message-ID: <{self.token}@client.example>\n"
        return (header + mime + "\n").encode() + self.body

    @property
    def literal(self):
        """The host as in [::1] and 127.0.0.1."""
        return f"[{self.host}]" if ":" in self.host else self.host


@dataclass(frozen=True)
class Seen:
    """What a job came to, as the backend and gatepost saw it."""

    protocol: str  # "TLSv1.3", or "" without TLS
    resumed: bool
    address: str
    mail: str  # the command
    bdat: bool
    intact: bool  # the body
