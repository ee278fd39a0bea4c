"""The kinds of work, and what gatepost is to reach in them."""

from dataclasses import dataclass

TEN_MB = 10_000_000


@dataclass(frozen=True)
class Work:
    """A number of sessions; the server's CPU time is divided by what they did."""

    name: str
    title: str
    options: tuple        # of the load generator
    sessions: int
    certificate: str = "ecdsa"
    messages: int = 0     # in a session
    size: int = 0         # of a message
    memory: str = ""      # the handshake in memory that is a part of it
    unit: str = "µs"

    @property
    def tls(self):
        """Whether there is TLS in it."""
        return "--tls" in self.options

    def units(self, sessions):
        """What the seconds of CPU are divided by to get the unit."""
        if self.unit == "s/GB":
            return sessions * self.messages * self.size / 1e9
        return sessions * max(self.messages, 1) / 1e6

    def arguments(self):
        """Of the load generator, but for how many sessions."""
        if not self.messages:
            return self.options
        return (*self.options, "--messages", self.messages, "--size", self.size)


_TLS13 = ("--tls", "1.3")
_TLS12 = ("--tls", "1.2")

WORKS = {work.name: work for work in (
    Work("full13", "full TLS 1.3 session, ECDSA", _TLS13, 2000, memory="full13"),
    Work("full13-rsa", "full TLS 1.3 session, RSA-2048", _TLS13, 1500, "rsa", memory="full13"),
    Work("full12", "full TLS 1.2 session, ECDSA", _TLS12, 2000, memory="full12"),
    Work("full12-rsa", "full TLS 1.2 session, RSA-2048", _TLS12, 1500, "rsa", memory="full12"),
    Work("resume13", "resumed TLS 1.3 session", (*_TLS13, "--resume"), 3000, memory="resume13"),
    Work("resume12", "resumed TLS 1.2 session", (*_TLS12, "--resume"), 3000, memory="resume12"),
    Work("plain", "session without STARTTLS", (), 8000),
    Work("msg10k", "10 KB message, ten a session", _TLS13, 300, messages=10, size=10240),
    Work("bdat10k", "10 KB message by BDAT, ten a session", (*_TLS13, "--bdat"), 300, messages=10, size=10240),
    Work("msg10m", "10 MB message", _TLS13, 30, messages=1, size=TEN_MB, unit="s/GB"),
    Work("bdat10m", "10 MB message by BDAT", (*_TLS13, "--bdat"), 30, messages=1, size=TEN_MB,
         unit="s/GB"),
)}

IDLE = "idle"        # memory of an idle TLS session
LATENCY = "latency"  # of a good session, alone and among others
GROWTH = "growth"    # CPU of a full session while others are open
SPECIAL = {IDLE: "memory of an idle TLS session, KiB",
           LATENCY: "time of a full TLS 1.3 session, µs",
           GROWTH: "full TLS 1.3 session, ECDSA, while others are idle"}

# (row, what it is compared with, at most). A row is a work, or what a special work yields.
TARGETS = (
    ("full13", "nginx", 0.65),
    ("full13", "memory", 1.5),
    ("full13-rsa", "nginx", 1.05),
    ("full12", "nginx", 0.75),
    ("resume13", "nginx", 0.5),
    ("plain", "nginx", 1.0),
    ("msg10k", "nginx", 0.8),
    ("msg10m", "nginx", 0.75),
    ("idle KiB", "", 4.0),
    ("latency p99, ratio", "", 2.0),
)
