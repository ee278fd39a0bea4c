"""OpenSMTPD, with OpenSSL: as a client, and as a backend that is told of clients by PROXY headers
of version 2."""

import os
import shutil

from harness.ports import free_port
from harness.unpacked import environment, unpack, version
from harness.wait import wait_until

from .namespace import namespace
from .peer import Peer, greets, inject


def serve(place, text):
    """Starts it with this configuration."""
    root = unpack("opensmtpd")
    config = place.write("smtpd.conf", text)
    for name in ("libexec", "spool"):
        os.makedirs(place.path(name), 0o711)
    mounts = [("tmpfs", "/run"), ("tmpfs", "/var/spool"), (place.path("spool"), "/var/spool/smtpd"),
              ("tmpfs", "/var/lib"), (place.path("libexec"), "/var/lib/opensmtpd/empty"),
              ("tmpfs", "/usr/libexec"),
              (os.path.join(root, "usr/libexec/opensmtpd"), "/usr/libexec/opensmtpd")]
    place.spawn(*namespace(place, *mounts), os.path.join(root, "usr/sbin/smtpd"), "-d", "-f",
                config, env=environment())


def backend(place, _):
    """A server that stores what it gets in PLACE/mail; returns where it is."""
    port = free_port()
    os.makedirs(place.path("mail"))
    shutil.chown(place.path("mail"), "nobody", "nogroup")
    serve(place, f'listen on 127.0.0.1 port {port} hostname mx.gatepost.test proxy-v2\n'
          f'action "keep" maildir "{place.path("mail")}" virtual {{ "@" = nobody }}\n'
          'match from any for any action "keep"\n')
    return f"inet:127.0.0.1:{port}"


def _rules(job):
    source = f" src {job.source}" if job.source else ""
    yield f'action "{job.kind.name}" relay host "smtp+tls://{job.literal}:{job.port}"' \
          f' tls no-verify helo "opensmtpd.client.example"{source}\n'
    yield f'match from any for rcpt-to "{job.recipient}" action "{job.kind.name}"\n'


def _send(place, jobs):
    port = free_port()
    serve(place, f"listen on 127.0.0.1 port {port}\n"
          + "".join(line for job in jobs for line in _rules(job)))
    wait_until(lambda: greets(port), f"OpenSMTPD's start: {place.logs()}")
    for job in jobs:
        inject(port, job)
        place.site.arrived(job)


PEERS = [Peer("opensmtpd", "OpenSMTPD (OpenSSL)", lambda: version("opensmtpd"), _send,
              {"BDAT": "sends with DATA only", "SMTPUTF8": "does not know it",
               "8BITMIME": "never says BODY=; the 8-bit content arrived as it was",
               "resumed": "does not keep TLS sessions"})]
