"""A real postscreen(8) between gatepost and smtpd(8), configured as docs/postscreen.md says."""

import re
import shutil

import pytest

from harness.client import tls_context
from harness.daemon import run_command
from harness.documents import example
from harness.headers import split_delivered
from harness.ports import free_port
from harness.postfix import DOMAIN, PrivatePostfix

pytestmark = pytest.mark.slow
DENIED = "127.0.0.66"
CONTENT = b"Subject: screened\r\n\r\nHello\r\n"


@pytest.fixture(name="screened", scope="module")
def make_screened():
    """A Postfix with postscreen; its port is screen_port. Instead of block lists, which need a
    network, there is an access list."""
    postfix = PrivatePostfix()
    postfix.screen_port = free_port()
    settings = example("docs/postscreen.md", "main.cf")
    settings = re.sub(r"postscreen_dnsbl_(sites|threshold|action) = .*\n", "", settings)
    settings = re.sub(r"(?m)^(postscreen_access_list = .*)$",
                      rf"\1, cidr:{{{{{DENIED} reject}}}}", settings)
    services = example("docs/postscreen.md", "master.cf")
    services = services.replace("127.0.0.1:10025", f"127.0.0.1:{postfix.screen_port}")
    services = re.sub(r"(?m) y( +- +\S+ +\w+)$", r" n\1", services)  # no chroot is set up
    try:
        postfix.start(services.splitlines(), settings)
        yield postfix
    finally:
        postfix.stop()
        shutil.rmtree(postfix.directory, ignore_errors=True)


@pytest.fixture(name="daemon")
def make_daemon(make_gatepost, screened):
    """In front of it."""
    return make_gatepost(f"inet:127.0.0.1:{screened.screen_port}")


def session(connect, daemon, source):
    """A session with TLS up to EHLO."""
    client = connect(daemon, source)
    client.ehlo()
    client.starttls(tls_context())
    client.ehlo()
    return client


def test_check_has_nothing_against_it(make_gatepost, screened):
    daemon = make_gatepost(f"inet:127.0.0.1:{screened.screen_port}", start=False)
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode == 0, result


def test_client_is_known_to_smtpd(daemon, connect, screened, recipient):
    """A new client, and again when postscreen knows it."""
    for _ in range(2):
        client = session(connect, daemon, "127.0.0.7")
        to = recipient()
        client.deliver(to, CONTENT)
        client.quit()
        received, ours, _ = split_delivered(screened.wait_mail(to))
        assert re.search(r"Received: from \S+ \(unknown \[127\.0\.0\.7\]\)", received)
        assert ours.protection.startswith("(using TLSv1.3 ")
    assert re.search(r"postscreen\[\d+\]: PASS NEW \[127\.0\.0\.7\]", screened.log())
    assert re.search(r"postscreen\[\d+\]: PASS OLD \[127\.0\.0\.7\]", screened.log())


def test_refused_client_hears_it(daemon, connect, screened):
    client = session(connect, daemon, DENIED)
    client.send(b"MAIL FROM:<a@client.example>\r\n")
    assert client.reply().code == 250
    client.send(f"RCPT TO:<x@{DOMAIN}>\r\n".encode())
    reply = client.reply()
    assert reply.text == "550 5.3.2 Service currently unavailable"
    assert f"DENYLISTED [{DENIED}]" in screened.log()
