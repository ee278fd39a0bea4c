"""Whole mail servers and other runtimes as clients: each sends one message with STARTTLS from an
address of the test's choice, or does not get that far. unpacked.Missing: it is not there."""

import os
import shutil
import subprocess
import tempfile
import urllib.request

from . import unpacked
from .ports import free_port
from .private_root import private_root
from .wait import DEADLINE, wait_until
from .zoo import Kind

_HERE = os.path.dirname(os.path.abspath(__file__))
_MESSAGE = "From: a@client.example\nSubject: x\n\nsome text\n"

_EXIM = """
primary_hostname = exim.example
log_file_path = /var/spool/exim4/%slog
spool_directory = /var/spool/exim4
keep_environment =
begin routers
all:
  driver = manualroute
  route_list = * {host} byname
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = {port}
  interface = {source}
  hosts_require_tls = *
  hosts_try_dane =
  {more}
begin retry
"""

_EXIM_SCRIPT = """
mkdir -p /var/spool/exim4
chown Debian-exim:Debian-exim /var/spool/exim4
mkdir -p /etc/exim4
cp "$1" /etc/exim4/exim4.conf # another one would cost it its rights
exec exim4 -odi -f a@client.example someone@gatepost.test
"""

_OPENSMTPD = """
smtp max-message-size 1M
listen on socket
action out relay src {source} host smtp+tls://{host}:{port} tls no-verify
match from any for any action out
"""

# Until the message has been delivered, or deferred.
_OPENSMTPD_SCRIPT = """
mkdir -p -m 711 /var/spool/smtpd /var/lib/opensmtpd/empty
chgrp opensmtpq /usr/sbin/smtpctl
chmod 2755 /usr/sbin/smtpctl
echo opensmtpd.example >/etc/mailname
smtpd -d -f "$1" >"$2" 2>&1 &
until [ -S /var/run/smtpd.sock ] || ! kill -0 $!; do sleep 0.1; done
sendmail -f a@client.example someone@gatepost.test
until grep -q 'mta delivery .* result=' "$2" || ! kill -0 $!; do sleep 0.1; done
kill $!
wait
"""

_BLACKBOX = """
modules:
  smtp:
    prober: tcp
    timeout: 30s
    tcp:
      source_ip_address: {source}
      tls_config:
        insecure_skip_verify: true
      query_response:
        - expect: "^220 "
        - send: "EHLO go.example"
        - expect: "^250 "
        - send: "STARTTLS"
        - expect: "^220 "
        - starttls: true
        - send: "EHLO go.example"
        - expect: "^250 "
        - send: "MAIL FROM:<a@go.example>"
        - expect: "^250 "
        - send: "RCPT TO:<someone@gatepost.test>"
        - expect: "^250 "
        - send: "DATA"
        - expect: "^354 "
        - send: "Subject: x\\r\\n\\r\\nsome text\\r\\n.\\r"
        - expect: "^250 "
        - send: "QUIT"
        - expect: "^221 "
"""


def _write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def _exim(*more):
    """Exim, which Debian builds with GnuTLS."""
    def run(address, source):
        with tempfile.TemporaryDirectory() as directory:
            root = private_root("exim4-daemon-heavy", "libidn12", "libmariadb3", "libspf2-2",
                                directory=directory)
            config = _write(directory, "exim.conf", _EXIM.format(
                host=address[0], port=address[1], source=source, more="\n  ".join(more)))
            root.run("sh", "-ec", _EXIM_SCRIPT, "sh", config, input=_MESSAGE, text=True,
                     capture_output=True, timeout=DEADLINE)
    return run


def _opensmtpd(address, source):
    """OpenSMTPD, with OpenSSL."""
    with tempfile.TemporaryDirectory() as directory:
        root = private_root("opensmtpd", directory=directory)
        config = _write(directory, "smtpd.conf", _OPENSMTPD.format(
            host=address[0], port=address[1], source=source))
        root.run("sh", "-c", _OPENSMTPD_SCRIPT, "sh", config, os.path.join(directory, "log"),
                 input=_MESSAGE, text=True, capture_output=True, timeout=DEADLINE)


def _java(protocols):
    """Java's own TLS."""
    def run(address, source):
        tool = shutil.which("java")
        if tool is None or shutil.which("javac") is None:
            raise unpacked.Missing("there is no Java compiler")
        subprocess.run([tool, os.path.join(_HERE, "StartTls.java"), address[0], str(address[1]),
                        source, protocols], capture_output=True, timeout=DEADLINE, check=False)
    return run


def _go(address, source):
    """Go's own TLS, in Prometheus' prober."""
    program = os.path.join(unpacked.unpack("prometheus-blackbox-exporter"),
                           "usr/bin/prometheus-blackbox-exporter")
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        config = _write(directory, "blackbox.yml", _BLACKBOX.format(source=source))
        with subprocess.Popen([program, f"--config.file={config}",
                               f"--web.listen-address=127.0.0.1:{port}"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                wait_until(lambda: _answers(port), "the prober's start")
                _get(port, f"/probe?module=smtp&target={address[0]}:{address[1]}")
            finally:
                server.terminate()


def _get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=DEADLINE) as answer:
        return answer.read()


def _answers(port):
    try:
        return _get(port, "/-/healthy")
    except OSError:
        return None


MTAS = [
    Kind("Exim", _exim(), True),
    Kind("Exim, TLS 1.2, RSA certificates",
         _exim("tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.2:-ECDHE-ECDSA"), True),
    Kind("OpenSMTPD", _opensmtpd, True),
    Kind("Java", _java("TLSv1.3,TLSv1.2"), True),
    Kind("Java, TLS 1.2", _java("TLSv1.2"), True),
    Kind("Go", _go, True),
]
