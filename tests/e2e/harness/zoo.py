"""Many kinds of clients, each with an address of its own: a session with STARTTLS, and what came of
it as the ledger has it."""

import contextlib
import shutil
import ssl
import subprocess
import zlib
from dataclasses import dataclass
from typing import Callable

from .client import Client, tls_context
from .hello import TLS1, TLS11, TLS12, TLS13, ask, client_hello
from .relay import Relay
from .wait import DEADLINE

MESSAGE = b"Subject: x\r\n\r\nsome text\r\n"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Kind:
    """How a client comes: run(address, source). delivers: it sends a message, if it can."""

    name: str
    run: Callable
    delivers: bool = False
    refuses: bool = False  # it may object to what the server chooses


def _tool(*arguments, stdin=""):
    tool = shutil.which(arguments[0], path=_PATH)
    assert tool, f"{arguments[0]} is not installed (packaging/install-deps test)"
    subprocess.run([tool, *map(str, arguments[1:])], input=stdin, text=True, errors="replace",
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=DEADLINE,
                   check=False)


def _python(**options):
    """Python's ssl, which is OpenSSL; delivers."""
    def run(address, source):
        with contextlib.suppress(ssl.SSLError, OSError, AssertionError):
            with Client(address, source) as client:
                client.ehlo()
                client.starttls(tls_context(**options))
                client.ehlo()
                client.deliver("someone@gatepost.test", MESSAGE)
                client.quit()
    return run


def _openssl(*options):
    """openssl s_client."""
    def run(address, source):
        _tool("openssl", "s_client", "-starttls", "smtp", "-connect", f"{address[0]}:{address[1]}",
              "-bind", f"{source}:0", *options, stdin="QUIT\n")
    return run


def _gnutls(priority):
    def run(address, source):
        with Relay(address, source) as relay:
            _tool("gnutls-cli", "--starttls-proto=smtp", "--no-ca-verification", "--priority",
                  priority, "-p", relay.port, "127.0.0.1", stdin="EHLO x.example\r\nQUIT\r\n")
    return run


def _swaks(*options):
    def run(address, source):
        _tool("swaks", "--server", address[0], "--port", address[1], "--local-interface", source,
              "--tls", "--from", "a@client.example", "--to", "someone@gatepost.test", *options)
    return run


def _posttls_finger(*options):
    def run(address, source):
        with Relay(address, source) as relay:
            _tool("posttls-finger", "-c", "-l", "encrypt", *options, f"[127.0.0.1]:{relay.port}")
    return run


def _hand_made(version, suites, **options):
    """A hello byte by byte, and nothing after it."""
    def run(address, source):
        with contextlib.suppress(AssertionError):  # there is no STARTTLS
            ask(address, source, client_hello(version, suites, **options))
    return run


def _cleartext(address, source):
    with contextlib.suppress(OSError, AssertionError):
        with Client(address, source) as client:
            client.ehlo()
            client.deliver("someone@gatepost.test", MESSAGE)
            client.quit()


_V = ssl.TLSVersion
_OLD = ":@SECLEVEL=0"
CLEARTEXT = Kind("cleartext", _cleartext, True)
KINDS = [
    Kind("today's Python", _python(), True),
    Kind("TLS 1.3 only, P-256", _python(minimum=_V.TLSv1_3, group="prime256v1"), True),
    Kind("TLS 1.3 only, P-521", _python(minimum=_V.TLSv1_3, group="secp521r1"), True),
    Kind("TLS 1.2", _python(maximum=_V.TLSv1_2), True),
    Kind("TLS 1.2, AES-GCM", _python(maximum=_V.TLSv1_2, ciphers="ECDHE+AESGCM" + _OLD), True),
    Kind("TLS 1.2, AES-CBC", _python(maximum=_V.TLSv1_2, ciphers="ECDHE+AES:!AESGCM:!AESCCM" + _OLD),
         True),
    Kind("TLS 1.2, static RSA", _python(maximum=_V.TLSv1_2, ciphers="kRSA+AES" + _OLD), True),
    Kind("TLS 1.2, RSA certificates", _python(maximum=_V.TLSv1_2, ciphers="aRSA+ECDHE" + _OLD), True),
    Kind("TLS 1.2, finite-field DH", _python(maximum=_V.TLSv1_2, ciphers="DHE" + _OLD), True),
    Kind("TLS 1.1", _python(maximum=_V.TLSv1_1), True),
    Kind("TLS 1.0", _python(maximum=_V.TLSv1), True),
    Kind("TLS 1.0, static RSA", _python(maximum=_V.TLSv1, ciphers="AES128-SHA" + _OLD), True),
    Kind("s_client, P-384 before X25519", _openssl("-groups", "P-384:X25519")),
    Kind("s_client, X448 before P-256", _openssl("-groups", "X448:P-256")),
    Kind("s_client, X448 alone", _openssl("-groups", "X448")),
    Kind("s_client, RSA-PSS alone", _openssl("-sigalgs", "RSA-PSS+SHA256")),
    Kind("s_client, ECDSA alone", _openssl("-sigalgs", "ECDSA+SHA256")),
    Kind("s_client, RSA with SHA-1", _openssl("-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher",
                                              "DEFAULT" + _OLD)),
    Kind("s_client, ChaCha20 first", _openssl("-tls1_2", "-cipher",
                                              "ECDHE+CHACHA20:ECDHE+AESGCM" + _OLD)),
    Kind("s_client, no tickets, name", _openssl("-no_ticket", "-servername", "mx.example")),
    Kind("s_client, ALPN", _openssl("-alpn", "smtp")),
    Kind("s_client, another ALPN", _openssl("-alpn", "h2")),
    Kind("GnuTLS", _gnutls("NORMAL")),
    Kind("GnuTLS, TLS 1.2", _gnutls("NORMAL:-VERS-ALL:+VERS-TLS1.2")),
    Kind("GnuTLS, like Windows 2003", _gnutls("NONE:+VERS-TLS1.0:+RSA:+3DES-CBC:+SHA1:+COMP-NULL"
                                              ":+SIGN-ALL")),
    Kind("GnuTLS, secp384r1", _gnutls("NORMAL:-GROUP-ALL:+GROUP-SECP384R1")),
    Kind("GnuTLS, RC4", _gnutls("NONE:+VERS-TLS1.0:+RSA:+ARCFOUR-128:+SHA1:+COMP-NULL:+SIGN-ALL")),
    Kind("swaks", _swaks(), True),
    Kind("swaks, TLS 1.2", _swaks("--tls-protocol", "tlsv1_2"), True),
    Kind("posttls-finger", _posttls_finger()),
    Kind("posttls-finger, TLS 1.2", _posttls_finger("-p", "!TLSv1.3")),
    Kind("bare RC4", _hand_made(TLS1, (0x0004, 0x0005))),
    Kind("bare 3DES", _hand_made(TLS1, (0x000A,))),
    Kind("bare AES-CBC", _hand_made(TLS11, (0x002F, 0xC013))),
    Kind("bare ECDSA with P-256", _hand_made(TLS12, (0xC02B,), groups=(23,))),
    Kind("bare TLS 1.3", _hand_made(TLS13, (0x1301,))),
    Kind("bare TLS 1.3, CCM", _hand_made(TLS13, (0x1304,))),
]


def source_of(kind):
    """Its address: of those that are not in KINDS, by their names."""
    if kind in KINDS:
        return f"127.0.7.{KINDS.index(kind) + 1}"
    if kind is CLEARTEXT:
        return "127.0.7.250"
    return f"127.0.6.{1 + zlib.crc32(kind.name.encode()) % 250}"


def visit(daemon, ledger, kinds, times=1):
    """Sessions by each of these kinds; their rows when the ledger has them, in the same order."""
    before = {kind: ledger.peer(source_of(kind)) for kind in kinds}
    for kind in kinds:
        for _ in range(times):
            kind.run(daemon.address, source_of(kind))
    return [ledger.wait_peer(source_of(kind), sessions=times + (
        before[kind]["sessions"] if before[kind] else 0)) for kind in kinds]
