"""Command line tools that send a message: curl, swaks."""

import shutil

from harness.unpacked import Missing

from .peer import Peer, first_match


def _installed(program):
    path = shutil.which(program)
    if not path:
        raise Missing(f"{program} is not installed (packaging/install-deps interop)")
    return path


def _curl(place, jobs):
    for job in jobs:
        message = place.write(job.kind.name, job.message.replace(b"\n", b"\r\n"))
        place.run("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", place.trust,
                  *(["--interface", job.source] if job.source else []), "--mail-from", job.sender,
                  "--mail-rcpt", job.recipient, "--upload-file", message,
                  f"smtp://{job.literal}:{job.port}/curl.client.example")


def _swaks(place, jobs):
    for job in jobs:
        message = place.write(job.kind.name, job.message)
        place.run("swaks", "--server", job.host, "--port", job.port, "--tls", "--tls-ca-path",
                  place.trust, "--tls-verify", "--helo", "swaks.client.example",
                  *(["--local-interface", job.source] if job.source else ["-6"] * job.kind.ipv6),
                  "--from", job.sender, "--to", job.recipient, "--data", "@" + message)


_NO_BDAT = "sends with DATA only"
_ONE_SESSION = "does not keep TLS sessions after its end"
PEERS = [
    Peer("curl", "curl", lambda: first_match(r"curl (\S+)", _installed("curl"), "--version"), _curl,
         {"BDAT": _NO_BDAT, "resumed": _ONE_SESSION + " (from 8.12 on with `--ssl-sessions`)",
          "8BITMIME": "never says BODY=; the 8-bit content arrived as it was"}),
    Peer("swaks", "swaks", lambda: first_match(r"swaks version (\S+)", _installed("swaks"),
                                               "--version"), _swaks,
         {"BDAT": _NO_BDAT, "resumed": _ONE_SESSION,
          "8BITMIME": "never says BODY=; the 8-bit content arrived as it was",
          "SMTPUTF8": "does not know it"}),
]
