"""A real HAProxy in front of gatepost, configured as docs/haproxy.md says."""

import json
import re
import shutil
import socket
import subprocess

import pytest

from harness.client import Client, tls_context
from harness.daemon import run_command
from harness.documents import example
from harness.headers import split_delivered
from harness.ports import free_port
from harness.wait import read_text, wait_until

PROGRAM = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="no haproxy")
CONTENT = b"Subject: balanced\r\n\r\nHello\r\n"


class HAProxy:
    """The documented configuration, with one server and other addresses."""

    def __init__(self, directory, server, address="127.0.0.1"):
        self.address = (address, free_port())
        self.control = f"{directory}/haproxy.sock"
        host = f"[{address}]" if ":" in address else address
        text = example("docs/haproxy.md", "haproxy")
        text = text.replace("192.0.2.25:25", f"{host}:{self.address[1]}")
        text = text.replace("10.0.0.5:25", f"{server[0]}:{server[1]}")
        text = re.sub(r".*10\.0\.0\.6.*\n", "", text).replace("inter 10s", "inter 100ms")
        text = text.replace("/dev/log local0", f"stderr format raw local0\n    stats socket {self.control}")
        self.path = f"{directory}/haproxy.cfg"
        with open(self.path, "w", encoding="ascii") as file:
            file.write(text)
        with open(f"{directory}/haproxy.log", "wb") as log:
            self.process = subprocess.Popen([PROGRAM, "-db", "-f", self.path],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.is_up, lambda: read_text(f"{directory}/haproxy.log"))

    def is_up(self):
        """Does it think that gatepost serves, after a health check?"""
        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.connect(self.control)
                control.sendall(b"show stat\n")
                control.settimeout(10)
                answer = b""
                while piece := control.recv(65536):
                    answer += piece
        except OSError:
            return False
        return b",UP," in answer and b"L7OK" in answer

    def stop(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(name="balance")
def make_balancer(directory):
    """balance(daemon, ...): an HAProxy in front of it."""
    made = []

    def make(daemon, **options):
        made.append(HAProxy(directory, daemon.address, **options))
        return made[-1]

    yield make
    for balancer in made:
        balancer.stop()


@pytest.fixture(name="proxied")
def make_proxied(make_gatepost, postfix):
    """A daemon that believes HAProxy on this host."""
    return make_gatepost(postfix.proxy_endpoint, smtpd_upstream_proxy_protocol="haproxy",
                         gatepost_upstream_proxy_networks="127.0.0.1")


@pytest.mark.slow
@pytest.mark.parametrize("address, client, shown", [
    ("127.0.0.1", "127.0.0.9", "127.0.0.9"), ("::1", "::1", "IPv6:::1")], ids=["ipv4", "ipv6"])
def test_client_behind_haproxy(proxied, balance, postfix, recipient, address, client, shown):
    balancer = balance(proxied, address=address)
    with Client(balancer.address, client) as session:
        session.ehlo()
        session.starttls(tls_context())
        session.ehlo()
        to = recipient()
        session.deliver(to, CONTENT)
        session.quit()
    received, ours, _ = split_delivered(postfix.wait_mail(to))
    assert f"[{shown}]" in received
    assert ours.address == shown and ours.protection.startswith("(using TLSv1.3 ")
    proxied.wait_log(rf"connect from unknown\[{re.escape(client)}\]")


def test_health_checks_do_not_reach_the_backend(make_gatepost, backend, balance):
    """They say EHLO, are answered, and are sessions of HAProxy itself."""
    daemon = make_gatepost(backend.endpoint, smtpd_upstream_proxy_protocol="haproxy",
                           gatepost_upstream_proxy_networks="127.0.0.1")
    balance(daemon)
    daemon.wait_log(r"disconnect from unknown\[127\.0\.0\.1\] ehlo=1 ")
    answer = run_command("-c", daemon.directory, "status", "--json")
    counts = [process["backend_sessions"] for process in json.loads(answer.stdout)["processes"]
              if process["role"] == "worker"]
    assert sum(counts) == 0, answer.stdout
