"""Programs that pass a message on to a smarthost: msmtp, nullmailer, ssmtp, esmtp."""

import os

from harness.unpacked import environment, unpack, version

from .namespace import namespace
from .peer import Peer

_NO_BDAT = "sends with DATA only"
_NO_STORE = "does not keep TLS sessions after its end"
_NO_BODY = "never says BODY=; the 8-bit content arrived as it was"
_NO_UTF8 = "does not know it"


def _program(package, path):
    return os.path.join(unpack(package), path)


def _msmtp(place, jobs):
    config = place.write("msmtprc", "", 0o600)
    for job in jobs:
        place.run(_program("msmtp", "usr/bin/msmtp"), "--file", config, "--host", job.host,
                  "--port", job.port, "--tls=on", "--tls-starttls=on", "--tls-trust-file", place.trust,
                  "--domain=msmtp.client.example", "--auth=off",
                  *(["--source-ip", job.source] if job.source else []), "--from", job.sender, "--",
                  job.recipient, stdin=job.message, env=environment())


def _nullmailer(place, jobs):
    """nullmailer-send runs this for each message of its queue."""
    for job in jobs:
        envelope = f"{job.sender}\n{job.recipient}\n\n".encode()
        queued = place.write(job.kind.name, envelope + job.message)
        place.run("sh", "-c", 'file=$1; shift; exec "$@" </dev/null 3<"$file"', "sh", queued,
                  _program("nullmailer", "usr/lib/nullmailer/smtp"), f"--host={job.host}",
                  f"--port={job.port}", "--starttls", f"--x509cafile={place.trust}",
                  *([f"--source={job.source}"] if job.source else []),
                  env=environment() | {"HELOHOST": "nullmailer.client.example"})


def _ssmtp(place, jobs):
    for job in jobs:
        config = place.write("ssmtp.conf", f"mailhub=localhost:{job.port}\nUseSTARTTLS=YES\n"
                             "UseTLS=YES\nhostname=ssmtp.client.example\nFromLineOverride=YES\n")
        place.run(*namespace(place), _program("ssmtp", "usr/sbin/ssmtp"),
                  "-6" if job.kind.ipv6 else "-4", "-C", config, "-f", job.sender, job.recipient,
                  stdin=job.message, env=environment())


def _esmtp(place, jobs):
    for job in jobs:
        config = place.write("esmtprc", f"hostname = localhost:{job.port}\nstarttls = required\n"
                             "helo = esmtp.client.example\n", 0o600)
        body = "8BITMIME" if job.kind.eight_bit else "7BIT"
        place.run(*namespace(place), _program("esmtp", "usr/bin/esmtp"), "-C", config, "-B", body,
                  "-f", job.sender, job.recipient, stdin=job.message,
                  env=environment() | {"SSL_CERT_FILE": place.trust})


PEERS = [
    Peer("msmtp", "msmtp (GnuTLS)", lambda: version("msmtp"), _msmtp,
         {"BDAT": _NO_BDAT, "resumed": _NO_STORE, "8BITMIME": _NO_BODY, "SMTPUTF8": _NO_UTF8}),
    Peer("nullmailer", "nullmailer (GnuTLS)", lambda: version("nullmailer"), _nullmailer,
         {"BDAT": _NO_BDAT, "resumed": _NO_STORE, "8BITMIME": _NO_BODY, "SMTPUTF8": _NO_UTF8}),
    Peer("ssmtp", "sSMTP (GnuTLS)", lambda: version("ssmtp"), _ssmtp,
         {"BDAT": _NO_BDAT, "resumed": _NO_STORE, "8BITMIME": _NO_BODY, "SMTPUTF8": _NO_UTF8},
         local=True),
    Peer("esmtp", "esmtp (libESMTP, OpenSSL)", lambda: version("esmtp"), _esmtp,
         {"resumed": _NO_STORE, "SMTPUTF8": _NO_UTF8}, local=True),
]
