"""What all clients deliver to: gatepost with a listener for any version of TLS and one for TLS 1.2,
and behind it a Postfix that logs every command."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading

from harness.certs import Certificate
from harness.daemon import HOSTNAME, Gatepost
from harness.headers import split_delivered
from harness.ports import free_port
from harness.postfix import PrivatePostfix
from harness.wait import wait_until

from .job import Job, Seen

_POSTSCREEN = " -o postscreen_upstream_proxy_protocol=haproxy -o postscreen_greet_wait=1s" \
              " -o postscreen_greet_action=enforce" \
              " -o postscreen_cache_map=btree:$data_directory/postscreen"
_PEER = re.compile(r"from \S+ \(\S+ \[([^]]+)\]\)")


def make_certificate(directory):
    """Self-signed, for all names under which clients come here; itself what they trust."""
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "30", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-subj", "/CN=" + HOSTNAME, "-addext",
         f"subjectAltName=DNS:{HOSTNAME},DNS:localhost,IP:127.0.0.1,IP:::1", "-keyout", key, "-out",
         cert], check=True, capture_output=True)
    return Certificate(cert, key, "ECDSA (prime256v1)")


class Site(contextlib.ExitStack):
    """Runs as long as it is entered; what is started for it is ended with it."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="gatepost-interop.")
        os.chmod(self.directory, 0o755)
        self.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.certificate = make_certificate(self.directory)
        self.postfix = PrivatePostfix()
        self.callback(shutil.rmtree, self.postfix.directory, ignore_errors=True)
        self._lock = threading.Lock()
        self.ports = {}
        self.postscreen_port = free_port()
        self.gatepost = None

    def start(self):
        """Both."""
        port, tls12 = free_port(), free_port()
        self.callback(self.postfix.stop)
        self.postfix.start([f"127.0.0.1:{port} inet n - n - - smtpd -v"
                            " -o smtpd_upstream_proxy_protocol=haproxy",
                            f"127.0.0.1:{self.postscreen_port} inet n - n - 1 postscreen"
                            + _POSTSCREEN,
                            "smtpd pass - - n - - smtpd"])
        self.gatepost = Gatepost(self.directory, self.certificate, f"inet:127.0.0.1:{port}")
        self.ports = {"any": self.gatepost.port, "tls12": tls12, "ipv6": self.gatepost.port6}
        listeners = self.gatepost.parameters["gatepost_listen"]
        self.gatepost.write_config(
            gatepost_listen=f"{listeners}, {{ 127.0.0.1:{tls12}, smtpd_tls_protocols=TLSv1.2 }}")
        self.gatepost.start()
        self.callback(self.gatepost.stop)
        return self

    def job(self, kind, peer, source):
        """A message from this peer."""
        host, port = ("::1", self.ports["ipv6"]) if kind.ipv6 else \
            ("127.0.0.1", self.ports[kind.listener])
        return Job(kind, peer, host, port, None if kind.ipv6 else source)

    def _mail(self, job):
        with self._lock:
            return self.postfix.mail_for(job.recipient)

    def arrived(self, job):
        """Waits for the message."""
        return wait_until(lambda: self._mail(job), f"the mail for {job.recipient}")[0]

    def _commands(self, job):
        """The MAIL command, and the one that brought the message."""
        commands, sessions = [], {}
        token = "rcpt to:<" + job.token
        for match in re.finditer(r"smtpd\[(\d+)\]: < \S+: (.*)", self.postfix.log()):
            session, command = match[1], match[2]
            if command.upper().startswith("MAIL"):
                sessions[session] = [command]
            elif command.lower().startswith(token) and session in sessions:
                commands = sessions[session]
            elif command.upper().startswith(("DATA", "BDAT")) and session in sessions:
                sessions[session].append(command)
        return commands

    def seen(self, job, body):
        """What came of it, and whether this body arrived."""
        message = self.arrived(job)
        mail, transfer = wait_until(lambda: self._commands(job)[:2], "the log of its session")
        received, ours, _ = split_delivered(message)
        protocol = re.search(r"using (\S+) with", ours.protection)
        return Seen(protocol[1] if protocol else "",
                    protocol is not None and protocol[1] == "TLSv1.3"
                    and "server-signature" not in ours.protection,
                    _PEER.search(received)[1], mail, transfer.upper().startswith("BDAT"),
                    body in message)
