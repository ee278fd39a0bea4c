"""Everything that a backend may do wrong, at every step at which it can.

A Case is one fault at one step. What the client must hear for it is written down once for each
fault: BROKEN, gatepost's own 421 and the end; or a Passed: the backend's reply as it came.
"""

from dataclasses import dataclass

from .backend_dialogue import DEAF, DROP, HALF, HANG, RESET, Say

BROKEN = "broken"


@dataclass(frozen=True)
class Passed:
    """The client hears this; the session ends with it, or goes on."""

    raw: bytes
    ends: bool = False


@dataclass(frozen=True)
class Case:
    """At this step the backend does that; the client hears this at its command FAILS."""

    step: str
    action: object
    hears: object
    fails: str
    doing: str  # what the log says that gatepost was doing (regular expression)

    @property
    def name(self):
        """For messages of tests."""
        data = getattr(self.action, "data", self.action)
        return f"{self.step}: {str(data)[:60]} {getattr(self.action, 'then', '')}"


# Step: which of the client's commands fails, what gatepost was doing, the good reply.
_STEPS = {
    "CONNECT": ("MAIL", "while waiting for its greeting", b"220 backend.test ESMTP\r\n"),
    "EHLO": ("MAIL", "while waiting for its reply to HELO or EHLO", b"250 backend.test\r\n"),
    "MAIL": ("MAIL", "while waiting for its reply to MAIL", b"250 2.1.0 Ok\r\n"),
    "RCPT": ("RCPT", "while waiting for its reply to RCPT", b"250 2.1.5 Ok\r\n"),
    "DATA": ("DATA", "while waiting for its reply to DATA", b"354 Go\r\n"),
    "CONTENT": ("END", "while (sending message content|waiting for its reply to end of data)",
                None),
    "END": ("END", "while waiting for its reply to end of data", b"250 2.0.0 queued\r\n"),
    "RSET": ("RSET", "while waiting for its reply to RSET", b"250 2.0.0 Ok\r\n"),
    "QUIT": ("QUIT", "while waiting for its reply to QUIT", b"221 2.0.0 Bye\r\n"),
    "BDAT1": ("BDAT", "while (waiting for its reply to BDAT|sending message content)",
              b"250 2.0.0 chunk\r\n"),
    "BDAT2": ("BDAT", "while (waiting for its reply to BDAT|sending message content)",
              b"250 2.0.0 chunk\r\n"),
    "BDAT3": ("BDAT", "while (waiting for its reply to BDAT|sending message content)",
              b"250 2.0.0 queued\r\n"),
}
STEPS = tuple(_STEPS)

# What is not SMTP, wherever it comes instead of a reply.
_GARBAGE = (
    b"garbage\r\n", b"\r\n", b"\n", b"\0\r\n", b"\0\xff\r\n", b"2x0 Ok\r\n", b"25\r\n", b"2\r\n",
    b"2500 Ok\r\n", b"250_Ok\r\n", b"250:Ok\r\n", b"+250 Ok\r\n", b" 250 Ok\r\n", b"-250 Ok\r\n",
    b"999 What\r\n", b"600 What\r\n", b"000 What\r\n", b"100 Continue\r\n", b"199 Wait\r\n",
    b"250-Ok\r\n251 Ok\r\n", b"250-Ok\r\n550 No\r\n", b"550-No\r\n250 Ok\r\n",
    b"250-Ok\r\nOk\r\n", b"250-Ok\r\n2500 Ok\r\n", b"250-Ok\r\n\r\n250 Ok\r\n",
    b"250-Ok\r\n250 O\0k\r\n", b"250 O\0k\r\n", b"250\rOk\r\n", b"\r250 Ok\r\n",
    b"\xef\xbb\xbf250 Ok\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"* OK IMAP4 ready\r\n",
    b"+OK POP3 ready\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"EHLO loop.test\r\n", b"250-" + b"x" * 200_000, b"250-x\r\n" * 20_000,
)

# Ends of the connection, before and within a reply.
_ENDS = (DROP, RESET, HALF, Say(b"2", then=DROP), Say(b"250", then=DROP), Say(b"250 Ok", then=DROP),
         Say(b"250 Ok\r", then=RESET), Say(b"250-Ok\r\n", then=DROP), Say(b"250-Ok\r\n", then=HALF),
         Say(b"550 5.0.0 No", then=DROP), Say(b"421 4.3.2 half of it", then=RESET))

# Silence, before and within a reply: these take as long as gatepost_backend_timeout.
_SILENCES = (HANG, DEAF, Say(b"250", then=HANG), Say(b"250-Ok\r\n", then=HANG),
             Say(b"250-Ok\r\n", then=DEAF))

# Refusals that are the backend's own words, with its own line ends made CRLF.
_REFUSALS = (
    (b"451 4.3.0 Later\r\n", b"451 4.3.0 Later\r\n"),
    (b"450-4.2.0 Not\r\n450 4.2.0 now\r\n", b"450-4.2.0 Not\r\n450 4.2.0 now\r\n"),
    (b"550 5.7.1 No\r\n", b"550 5.7.1 No\r\n"),
    (b"554\r\n", b"554\r\n"),
    (b"599 \r\n", b"599 \r\n"),
    (b"551 5.7.1 bare LF\n", b"551 5.7.1 bare LF\r\n"),
    (b"552-5.3.4 a\n552 5.3.4 b\r\n", b"552-5.3.4 a\r\n552 5.3.4 b\r\n"),
    (b"553 5.1.8 lone\rCR\r\n", b"553 5.1.8 lone CR\r\n"),
    (b"554 5.7.1 \xe4\xf6\xfc\r\n", b"554 5.7.1 \xe4\xf6\xfc\r\n"),
    (b"550 5.7.1 " + b"x" * 100_000 + b"\r\n", b"550 5.7.1 " + b"x" * 100_000 + b"\r\n"),
    (b"550-5.7.1 y\r\n" * 7_000 + b"550 5.7.1 z\r\n", b"550-5.7.1 y\r\n" * 7_000 +
     b"550 5.7.1 z\r\n"),
)

# And those with which it hangs up.
_HANGUPS = (b"421 4.3.2 Shutting down\r\n", b"421-4.3.2 Shutting\r\n421 4.3.2 down\r\n",
            b"521 5.3.2 Not any more\r\n")

_COMMANDS = ("MAIL", "RCPT", "DATA", "END", "RSET", "BDAT1", "BDAT2", "BDAT3")


def _cases(steps, actions, hears=BROKEN):
    return [Case(step, action, hears, _STEPS[step][0], _STEPS[step][1])
            for step in steps for action in actions]


def ends():
    """Connections that end, at every step. A QUIT needs no answer."""
    steps = [step for step in STEPS if step != "QUIT"]
    bye = Passed(b"221 2.0.0 Bye\r\n", ends=True)
    return _cases(steps, _ENDS) + _cases(["QUIT"], (DROP, RESET, HALF), bye)


def silences():
    """Backends that hang, at every step."""
    return _cases(STEPS, _SILENCES)


def garbage():
    """What is not SMTP, at every step."""
    return _cases(STEPS, [Say(data, then=HANG) for data in _GARBAGE])


def wrong_replies():
    """Replies that have no place where they come."""
    cases = []
    for step in STEPS:
        wrong = {"CONNECT": (250, 354, 251), "EHLO": (220, 251, 354, 334),
                 "DATA": (250, 220, 251, 299, 300, 334, 355),
                 "CONTENT": (250, 200, 220, 354, 334)}.get(step, (354, 300, 334, 399))
        cases += _cases([step], [Say(b"%d 2.0.0 What\r\n" % code, then=HANG) for code in wrong])
    return cases


def refusals():
    """4xx and 5xx in every form."""
    cases = []
    for said, heard in _REFUSALS:
        actions = [Say(said)]
        cases += _cases(_COMMANDS, actions, Passed(heard))
        cases += _cases(["CONTENT"], actions, Passed(heard))
        cases += _cases(["CONNECT", "QUIT"], actions, Passed(heard, ends=True))
    return cases


def hangups():
    """421 and 521, with and without the end of the connection."""
    cases = []
    for said in _HANGUPS:
        for then in ("", DROP, RESET, HANG):
            steps = [step for step in STEPS if step != "EHLO" or said.startswith(b"421")]
            cases += _cases(steps, [Say(said, then=then)], Passed(said, ends=True))
    return cases


def single_bytes():
    """Replies that arrive one byte at a time, good ones and others."""
    cases = []
    for step, (fails, doing, good) in _STEPS.items():
        if good:
            action = Say(good, slowly=True, accepts=True)
            cases.append(Case(step, action, None, fails, doing))
        if step not in ("CONNECT", "EHLO", "QUIT"):
            refusal = b"550-5.1.1 one\r\n550 5.1.1 two\r\n"
            cases += _cases([step], [Say(refusal, slowly=True)], Passed(refusal))
        cases += _cases([step], [Say(b"25x Ok\r\n", slowly=True, then=HANG)])
    return cases


def surplus():
    """Replies that nothing was sent for. Whatever they say, they are the reply to nothing."""
    cases = []
    for step, (_, _, good) in _STEPS.items():
        if not good or step == "QUIT":
            continue
        for stray in (b"250 2.0.0 Ok\r\n", b"550 5.0.0 No\r\n", b"354 Go\r\n",
                      b"250 2.0.0 a\r\n250 2.0.0 b\r\n250 2.0.0 c\r\n", good):
            cases.append(Case(step, Say(good + stray, accepts=True), BROKEN, "", ""))
    return cases


GROUPS = {group.__name__: group for group in (ends, silences, garbage, wrong_replies, refusals,
                                              hangups, single_bytes, surplus)}
