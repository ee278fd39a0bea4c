"""Postfix's smtp(8) at four levels of TLS security."""

import os
import shutil
import subprocess
import threading

from harness.daemon import HOSTNAME
from harness.postfix import PrivatePostfix
from harness.ports import free_port
from harness.unpacked import Missing

from .job import KINDS
from .peer import Peer, first_match, inject

_LEVELS = {
    "may": "", "encrypt": "",
    "verify": f" -o smtp_tls_verify_cert_match={HOSTNAME}",
    "fingerprint": " -o smtp_tls_fingerprint_digest=sha256"
                   " -o smtp_tls_fingerprint_cert_match={digest}",
}
_CACHE = " -o smtp_tls_session_cache_database=btree:$data_directory/smtp_sessions"
_senders = {}  # by site
_lock = threading.Lock()


def _fingerprint(certificate):
    output = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-fingerprint",
                             "-sha256"], check=True, capture_output=True, text=True).stdout
    return output.strip().rpartition("=")[2]


def _transport(level, source, site):
    """master.cf's line of a smtp(8) with a level of its own."""
    options = _LEVELS[level].format(digest=_fingerprint(site.certificate.cert))
    return f"smtp-{level} unix - - n - - smtp -o smtp_tls_security_level={level}{options}" \
           f" -o smtp_bind_address={source} -o smtp_tls_CAfile={site.certificate.cert}" \
           f" -o smtp_helo_name={level}.client.example" \
           f"{_CACHE} -o smtp_connection_cache_on_demand=no"


def _routes(site):
    """regexp_table(5): a message's recipient says how and where it goes."""
    for kind in KINDS:
        job = site.job(kind, "postfix", None)
        for level in _LEVELS:
            yield f"/^postfix-{level}\\.{kind.name}\\./ smtp-{level}:[{job.host}]:{job.port}\n"


def _start(site):
    sender = PrivatePostfix()
    site.callback(shutil.rmtree, sender.directory, ignore_errors=True)
    site.callback(sender.stop)
    port, routes = free_port(), os.path.join(sender.directory, "routes")
    with open(routes, "w", encoding="ascii") as file:
        file.writelines(_routes(site))
    sources = {level: f"127.0.8.{index + 1}" for index, level in enumerate(_LEVELS)}
    sender.start([*(_transport(level, sources[level], site) for level in _LEVELS),
                  f"tlsmgr unix - - n 1000? 1 tlsmgr{_CACHE}",
                  f"127.0.0.1:{port} inet n - n - - smtpd",
                  f"rewrite unix - - n - - trivial-rewrite -o transport_maps=regexp:{routes}"])
    return port


def _send(place, jobs):
    with _lock:
        if place.site not in _senders:
            _senders[place.site] = _start(place.site)
    for job in jobs:
        inject(_senders[place.site], job)
        place.site.arrived(job)


def postfix_version():
    if not shutil.which("postconf", path="/usr/sbin:/usr/bin:/sbin"):
        raise Missing("postfix is not installed (packaging/install-deps interop)")
    return first_match("mail_version = (.*)", "postconf", "mail_version")


PEERS = [Peer(f"postfix-{level}", f"Postfix smtp(8), `{level}`", postfix_version, _send,
              {"BDAT": "announces CHUNKING as a server only"}) for level in _LEVELS]
