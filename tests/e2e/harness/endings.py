"""Every way in which a session can end, each as a function of the same form.

ENDINGS[name](place, rng) makes one session and ends it so. What the server or the network makes of
it in between is of no interest here: such errors are swallowed by run().
"""

import functools
import socket
import ssl
from dataclasses import dataclass

from .client import Client, Closed, tls_context
from .hello import TLS12, client_hello
from .sink import STEPS, fault_address


@dataclass(frozen=True)
class Place:
    """Where to connect: the usual listener, one with TLS from the beginning, one behind a proxy."""

    address: tuple
    wrapped: tuple
    proxied: tuple


_HELLO = client_hello(TLS12, [0xc02b, 0xc02f])
_CONTEXTS = [tls_context(maximum=ssl.TLSVersion.TLSv1_2), tls_context()]


def _source(rng):
    return f"127.0.{rng.randint(1, 9)}.{rng.randint(1, 250)}"


def _open(place, rng):
    return Client(place.address, _source(rng))


def _plain(client):
    client.ehlo()


def _tls(client, rng):
    client.ehlo()
    client.starttls(rng.choice(_CONTEXTS))
    client.ehlo()


def _into(client, rng, state):
    """Brings a session as far as that."""
    if state in ("tls", "tls-transaction", "tls-content"):
        _tls(client, rng)
    elif state != "greeting":
        _plain(client)
    if "transaction" in state or "content" in state:
        client.envelope("r@gatepost.test")
    if "content" in state:
        client.expect(354, "DATA")
        client.send(b"Subject: never complete\r\n\r\n" + b"x" * rng.randint(0, 30_000))
    if state == "starttls":
        client.expect(220, "STARTTLS")
    elif state == "hello":
        client.expect(220, "STARTTLS")
        client.send(_HELLO[:rng.randint(1, len(_HELLO))])


_STATES = ("greeting", "ehlo", "starttls", "hello", "tls", "transaction", "tls-transaction",
           "content", "tls-content")


def _leave(place, rng, state, how):
    """In some state, without a word: close, reset, or half-closed first."""
    with _open(place, rng) as client:
        _into(client, rng, state)
        if how == "reset":
            client.reset()
        elif how == "half":
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()


def _quit(place, rng, tls):
    with _open(place, rng) as client:
        _into(client, rng, "tls" if tls else "ehlo")
        client.quit()


def _close_notify(place, rng):
    with _open(place, rng) as client:
        _into(client, rng, "tls")
        client.socket.unwrap()


def _garbage_record(place, rng):
    """What is not TLS, in the midst of TLS: answered by an alert, which arrives."""
    with _open(place, rng) as client:
        _into(client, rng, "tls")
        raw = socket.socket(fileno=client.socket.detach())
        raw.settimeout(30)
        raw.sendall(rng.randbytes(200))
        assert _drain(raw)


def _garbage_handshake(place, rng):
    with _open(place, rng) as client:
        _into(client, rng, "starttls")
        client.send(rng.randbytes(rng.randint(1, 600)))
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()


def _alert(place, rng):
    """A fatal alert instead of a Finished message."""
    with _open(place, rng) as client:
        _into(client, rng, "starttls")
        client.send(_HELLO + b"\x15\x03\x03\0\2\2" + bytes([rng.choice((0, 40, 48, 80))]))
        client.rest()


def _no_common_suite(place, rng):
    with _open(place, rng) as client:
        _into(client, rng, "starttls")
        client.send(client_hello(TLS12, [0x0005, 0x0004]))
        client.rest()


def _garbage_commands(place, rng):
    """Until the server has had enough."""
    with _open(place, rng) as client:
        client.send(b"".join(rng.randbytes(rng.randint(1, 100)) + b"\r\n" for _ in range(40)))
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()


def _early_talker(place, rng):
    with Client(place.address, _source(rng), greeting=False) as client:
        client.send(b"EHLO early\r\nMAIL FROM:<>\r\n")
        client.rest()


def _silent(place, rng):
    """Until smtpd_timeout."""
    with _open(place, rng) as client:
        _into(client, rng, rng.choice(("greeting", "ehlo", "tls", "content")))
        client.rest()


def _bad_chunk(place, rng):
    with _open(place, rng) as client:
        _into(client, rng, "transaction")
        client.send(b"BDAT many\r\n")
        client.rest()


def _backend_early(place, rng, step, action):
    with Client(place.address, fault_address(step, action)) as client:
        _plain(client)
        client.send(b"MAIL FROM:<>\r\n")
        client.rest()


def _backend_fault(place, rng, step, action):
    """The backend misbehaves in a transaction."""
    with _open(place, rng) as client:
        _into(client, rng, rng.choice(("ehlo", "tls")))
        client.send(f"MAIL FROM:<fault.{step}.{action}@x>\r\n".encode())
        if client.reply().code != 250 or client.command("RCPT TO:<r@x>").code != 250 or \
                client.command("DATA").code != 354:
            client.send(b"QUIT\r\n")
        else:
            client.send(b"Subject: fault\r\n\r\n.\r\nQUIT\r\n")
        client.rest()


def _drain(sock):
    """Everything until the server closes."""
    data = b""
    with sock:
        while more := sock.recv(65536):
            data += more
    return data


def _raw(address, rng, data):
    """Bytes to a listener that does not speak first; then everything until it closes."""
    sock = socket.create_connection(address, 30, (_source(rng), 0))
    with sock:
        sock.sendall(data)
        if rng.random() < 0.5:
            sock.shutdown(socket.SHUT_WR)
        _drain(sock)


def _proxy_junk(place, rng):
    _raw(place.proxied, rng, rng.choice((
        b"PROXY UNKNOWN\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"EHLO x\r\n", rng.randbytes(600),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\1x", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + b"x" * 600)))


def _proxy_good(place, rng):
    _raw(place.proxied, rng, b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\r\n" +
         rng.choice((b"QUIT\r\n", b"EHLO x\r\nQUIT\r\n", b"")))


def _wrapped(place, rng, how):
    if how == "junk":
        _raw(place.wrapped, rng, rng.randbytes(rng.randint(0, 300)))
        return
    context = rng.choice(_CONTEXTS)
    with socket.create_connection(place.wrapped, 30, (_source(rng), 0)) as raw, \
            context.wrap_socket(raw, server_hostname="front.gatepost.test") as sock:
        sock.recv(1000)
        if how == "quit":
            sock.sendall(b"EHLO x\r\nQUIT\r\n")
            _drain(sock)


def _all():
    """Names and functions."""
    part = functools.partial
    for state in _STATES:
        for how in ("close", "reset", "half"):
            yield f"{how} in {state}", part(_leave, state=state, how=how)
    yield "QUIT", part(_quit, tls=False)
    yield "QUIT in TLS", part(_quit, tls=True)
    for step in ("connect", "ehlo"):
        for action in ("drop", "reset", "421", "554", "nonsense"):
            yield f"backend: {action} at {step}", part(_backend_early, step=step, action=action)
    for step in STEPS:
        for action in ("drop", "reset", "421", "451", "nonsense"):
            yield f"backend: {action} at {step}", part(_backend_fault, step=step, action=action)
    for how in ("junk", "close", "quit"):
        yield f"wrapped: {how}", part(_wrapped, how=how)
    for function in (_close_notify, _garbage_record, _garbage_handshake, _alert, _no_common_suite,
                     _garbage_commands, _early_talker, _bad_chunk, _proxy_junk, _proxy_good):
        yield function.__name__[1:].replace("_", " "), function


ENDINGS = dict(_all())
SILENT = _silent  # takes as long as smtpd_timeout


def run(ending, place, rng):
    """Makes one session that ends so. True if it went as far as it should."""
    try:
        ending(place, rng)
    except (OSError, Closed, AssertionError):
        return False
    return True
