"""All backends, and the trial of one: our own client delivers through gatepost."""

import os
import re
import socket
import ssl
import traceback
from dataclasses import dataclass, field
from typing import Callable

from harness.client import Client, tls_context
from harness.daemon import Gatepost
from harness.headers import split_fields
from harness.unpacked import Missing, version
from harness.wait import read_text, wait_until

from . import exim, haraka, opensmtpd
from .job import KINDS
from .peer import Place
from .postfix import postfix_version

COLUMNS = ["IPv4 address", "IPv6 address", "BDAT", "8BITMIME", "SMTPUTF8"]
_NOT_ANNOUNCED = "does not announce it"
_ANNOUNCED = {"BDAT": "CHUNKING", "8BITMIME": "8BITMIME", "SMTPUTF8": "SMTPUTF8"}


@dataclass(frozen=True)
class Server:
    """A backend. start(place, protocol) returns the endpoint; what arrives is in PLACE/mail, or in
    the site's Postfix."""

    key: str
    name: str
    told: str  # gatepost_backend_protocol
    version: Callable
    start: Callable
    setting: str  # what makes it believe gatepost
    cannot: dict = field(default_factory=dict)
    postfix: bool = False


@dataclass
class Row:
    """What came of it."""

    peer: Server
    version: str = ""
    skipped: str = ""
    can: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)


def _postfix(key, name, told, endpoint, setting="smtpd_upstream_proxy_protocol = haproxy"):
    return Server(key, name, told, postfix_version, lambda place, _: endpoint(place.site), setting,
                  postfix=True)


SERVERS = [
    _postfix("smtpd-2", "Postfix smtpd(8), TCP", "proxy2",
             lambda site: site.postfix.proxy_endpoint),
    _postfix("smtpd-1", "Postfix smtpd(8), TCP", "proxy1",
             lambda site: site.postfix.proxy_endpoint),
    _postfix("smtpd-x", "Postfix smtpd(8), TCP", "xclient",
             lambda site: site.postfix.xclient_endpoint,
             "smtpd_authorized_xclient_hosts = 127.0.0.1"),
    _postfix("smtpd-unix", "Postfix smtpd(8), UNIX socket", "proxy2",
             lambda site: site.postfix.unix_endpoint),
    _postfix("postscreen", "Postfix postscreen(8), TCP", "proxy2",
             lambda site: f"inet:127.0.0.1:{site.postscreen_port}",
             "postscreen_upstream_proxy_protocol = haproxy"),
    Server("exim-2", "Exim, TCP", "proxy2", lambda: version("exim4-daemon-heavy"), exim.backend,
           "hosts_proxy = 127.0.0.1"),
    Server("exim-1", "Exim, TCP", "proxy1", lambda: version("exim4-daemon-heavy"), exim.backend,
           "hosts_proxy = 127.0.0.1"),
    Server("opensmtpd-2", "OpenSMTPD, TCP", "proxy2", lambda: version("opensmtpd"),
           opensmtpd.backend, "listen on 127.0.0.1 port 10025 proxy-v2",
           {"BDAT": _NOT_ANNOUNCED, "SMTPUTF8": _NOT_ANNOUNCED}),
    Server("haraka-1", "Haraka, TCP", "proxy1", haraka.haraka_version, haraka.backend,
           "hosts[] = 127.0.0.1 below [haproxy] in connection.ini", {"BDAT": _NOT_ANNOUNCED}),
    Server("haraka-x", "Haraka, TCP", "xclient", haraka.haraka_version, haraka.backend,
           "xclient in config/plugins", {"BDAT": _NOT_ANNOUNCED}),
]


def _serves(endpoint):
    """Whether it takes connections."""
    if endpoint.startswith("unix:"):
        return True
    host, _, port = endpoint[len("inet:"):].rpartition(":")
    try:
        socket.create_connection((host, int(port)), 5).close()
        return True
    except OSError:
        return False


def _stored(place, job):
    for directory, _, names in os.walk(place.path("mail")):
        for name in names:
            text = read_text(os.path.join(directory, name))
            if not directory.endswith("/tmp") and job.message[-len(job.body):] \
                    in text.encode("latin-1").replace(b"\r\n", b"\n") and f"<{job.token}@" in text:
                return text.encode("latin-1").replace(b"\r\n", b"\n")
    return None


def _deliver(daemon, job, cannot):
    """One message in a session with TLS; the extensions that were announced."""
    version_of_tls = ssl.TLSVersion.TLSv1_2 if job.kind.name == "tls12" else ssl.TLSVersion.TLSv1_3
    address = daemon.address6 if job.kind.ipv6 else daemon.address
    content = job.message.replace(b"\n", b"\r\n")
    with Client(address, job.source) as client:
        client.ehlo("before.example")
        client.starttls(tls_context(version_of_tls, version_of_tls))
        announced = {line.split()[0] for line in client.ehlo("client.example")}
        options = " BODY=8BITMIME" * job.kind.eight_bit + " SMTPUTF8" * job.kind.smtputf8
        client.expect(250, f"MAIL FROM:<{job.sender}>{options}".encode())
        client.expect(250, f"RCPT TO:<{job.recipient}>".encode())
        if "BDAT" in cannot or job.kind.name == "tls12":
            client.expect(354, "DATA")
            client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            reply = client.reply()
        else:
            reply = client.command(b"BDAT %d\r\n" % 30 + content[:30] + b"BDAT %d LAST\r\n"
                                   % (len(content) - 30) + content[30:-2])
            reply = client.reply()
        assert reply.code == 250, reply.raw
        client.quit()
    return announced


def _seen_address(message, job):
    """What the backend's Received field says of the client."""
    fields, _ = split_fields(message[message.index(b"Received:"):])
    if job.source:
        return f"[{job.source}]" in fields[0] or f"({job.source})" in fields[0]
    return re.search(r"\[(IPv6:)?::1\]|\(::1\)", fields[0])


def _try(row, place, daemon, source):
    announced, seen = set(), {}
    for kind in KINDS:
        if kind.smtputf8 and "SMTPUTF8" in row.peer.cannot:
            continue
        job = place.site.job(kind, "to-" + row.peer.key, source)
        announced = _deliver(daemon, job, row.peer.cannot)
        message = place.site.arrived(job) if row.peer.postfix else wait_until(
            lambda job=job: _stored(place, job), f"{job.recipient} in PLACE/mail: {place.logs()}")
        assert job.body in message, message
        assert b"Received-TLS: from client.example ([" in message, message
        seen[kind.name] = message, job
    row.can = {column: word in announced for column, word in _ANNOUNCED.items()}
    row.can["IPv6 address"] = bool(_seen_address(*seen["ipv6"]))
    row.can["IPv4 address"] = all(_seen_address(*seen[name]) for name in seen if name != "ipv6")
    for column in COLUMNS:
        if row.can[column] == (column in row.peer.cannot):
            row.wrong.append(f"{column}: {row.can[column]}; announced: {announced}; {seen}")


def attempt(site, server):
    """Starts it and gatepost, and delivers."""
    row = Row(server)
    try:
        row.version = server.version()
    except Missing as missing:
        row.skipped = str(missing)
        return row
    place, daemon = Place(site, "to-" + server.key), None
    try:
        endpoint = server.start(place, server.told)
        wait_until(lambda: _serves(endpoint), f"{server.name}'s start: {place.logs()}")
        daemon = Gatepost(place.directory, site.certificate, endpoint,
                          gatepost_backend_protocol=server.told)
        site.callback(daemon.stop)
        daemon.start()
        _try(row, place, daemon, f"127.0.9.{SERVERS.index(server) + 1}")
    except Missing as missing:
        row.skipped = str(missing)
    except Exception:  # pylint: disable=broad-except
        row.wrong.append(traceback.format_exc() + place.logs()
                         + (daemon.output() if daemon else ""))
    return row
