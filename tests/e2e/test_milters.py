"""Real milters in the Postfix behind gatepost: what docs/milters.md says that they see."""

import os
import re
import shutil
import subprocess

import pytest

from harness.client import tls_context
from harness.daemon import HOSTNAME
from harness.documents import example
from harness.ports import free_port
from harness.postfix import PrivatePostfix
from harness.wait import read_text, wait_until

OPENDKIM, RSPAMD = (shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("opendkim", "rspamd"))
INSIDE, OUTSIDE = "127.0.0.8", "127.0.0.9"
CONTENT = (b"Received: from x.example (x.example [192.0.2.5]) by client.example with ESMTPS id 1;\r\n"
           b"\tSun, 22 Nov 2026 08:47:51 +0000\r\n"
           b"From: a@client.example\r\nSubject: seen\r\n\r\nHello\r\n")


def listens(port, process, log):
    """Waits until a milter serves."""
    def ready():
        assert process.poll() is None, read_text(log)
        return f":{port} " in subprocess.run(["ss", "-Hltn"], capture_output=True, text=True,
                                             check=True).stdout
    wait_until(ready, lambda: read_text(log), 150)


@pytest.fixture(name="milter")
def start_milter(directory):
    """milter(port, COMMAND...): a milter that serves."""
    processes = []

    def start(port, *command):
        log = os.path.join(directory, "milter.log")
        with open(log, "wb") as file:
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file,
                                              stderr=file))
        listens(port, processes[-1], log)

    yield start
    for process in processes:
        process.terminate()
        process.wait(60)


@pytest.fixture(name="filtered")
def start_filtered():
    """filtered(port): a Postfix with a milter on this port; without it nothing is accepted."""
    made = []

    def start(port):
        made.append(PrivatePostfix())
        settings = example("docs/milters.md", "main.cf").replace("11332", str(port))
        return made[-1].start((), settings.replace("= accept", "= tempfail"))

    yield start
    for postfix in made:
        postfix.stop()
        shutil.rmtree(postfix.directory, ignore_errors=True)


def header_of(postfix, connect, daemon, recipient, source, tls=True):
    """Sends a message; its header as it was delivered."""
    client = connect(daemon, source)
    client.ehlo()
    if tls:
        client.starttls(tls_context())
        client.ehlo()
    client.deliver(recipient, CONTENT)
    client.quit()
    text = postfix.wait_mail(recipient).partition(b"\n\n")[0].decode()
    return re.sub(r"\n[ \t]+", " ", text)


@pytest.mark.slow
@pytest.mark.skipif(not OPENDKIM, reason="no opendkim")
def test_opendkim(directory, milter, filtered, make_gatepost, connect, recipient):
    """It signs for an address inside and verifies for one outside: it knows the client."""
    port = free_port()
    key = os.path.join(directory, "dkim.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    os.chmod(key, 0o600)
    with open(os.path.join(directory, "inside"), "w", encoding="ascii") as file:
        file.write(INSIDE + "\n")
    config = os.path.join(directory, "opendkim.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(f"Mode sv\nDomain client.example\nSelector s\nKeyFile {key}\n"
                   f"InternalHosts {directory}/inside\nAlwaysAddARHeader yes\nRequireSafeKeys no\n"
                   f"Nameservers 127.0.0.1\nDNSTimeout 1\nPidFile {directory}/opendkim.pid\n")
    milter(port, OPENDKIM, "-f", "-x", config, "-p", f"inet:{port}@127.0.0.1")
    postfix = filtered(port)
    daemon = make_gatepost(postfix.proxy_endpoint)
    inside = header_of(postfix, connect, daemon, recipient(), INSIDE)
    assert "DKIM-Signature: " in inside and "Authentication-Results: " not in inside
    outside = header_of(postfix, connect, daemon, recipient(), OUTSIDE)
    assert "DKIM-Signature: " not in outside and "Authentication-Results: " in outside


@pytest.mark.slow
@pytest.mark.skipif(not RSPAMD, reason="no rspamd")
def test_rspamd(directory, milter, filtered, make_gatepost, connect, recipient):
    """It knows the client's address; its own symbol sees no TLS, but for gatepost_received_header, and
    the documented rule does."""
    port = free_port()
    local = os.path.join(directory, "rspamd")
    files = {
        "local.d/worker-proxy.inc": example("docs/milters.md", "rspamd worker-proxy.inc")
        .replace("11332", str(port)),
        "local.d/milter_headers.conf": 'use = ["x-spamd-result", "x-spamd-server"];\n'
                                       'skip_local = false;\n',
        "local.d/logging.inc": 'type = "console";\n',
        # A short list of top-level domains, no network, nothing compiled: it starts in seconds.
        "local.d/options.inc": f'url_tld = "{local}/tld"; disable_hyperscan = true;\n'
                               'local_addrs = ["192.0.2.250"];\n'
                               'dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }\n',
        "local.d/multimap.conf": f'KNOWN_CLIENT {{ type = "ip"; map = "{local}/clients"; }}\n',
        "clients": INSIDE + "\n",
        "tld": "example\ntest\n",
        "rspamd.local.lua": example("docs/milters.md", "lua")
        .replace("mx\\\\.example\\\\.com", HOSTNAME.replace(".", "\\\\.")),
    }
    files |= {f"local.d/worker-{name}.inc": "enabled = false;\n"
              for name in ("normal", "controller", "fuzzy")}
    for name, text in files.items():
        path = os.path.join(local, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    for name in ("db", "run", "log"):
        os.mkdir(os.path.join(local, name))
        shutil.chown(os.path.join(local, name), "_rspamd", "_rspamd")
    milter(port, RSPAMD, "-f", "-u", "_rspamd", "-g", "_rspamd", f"--var=LOCAL_CONFDIR={local}",
           f"--var=DBDIR={local}/db", f"--var=RUNDIR={local}/run", f"--var=LOGDIR={local}/log")
    postfix = filtered(port)
    daemon = make_gatepost(postfix.proxy_endpoint)
    secure = header_of(postfix, connect, daemon, recipient(), INSIDE)
    assert "RCVD_NO_TLS_LAST" in secure
    assert "KNOWN_CLIENT" in secure and "CLIENT_WITHOUT_TLS" not in secure, secure
    own = header_of(postfix, connect, make_gatepost(postfix.proxy_endpoint, gatepost_received_header="yes"),
                    recipient(), INSIDE)
    assert "RCVD_TLS_ALL" in own and "RCVD_NO_TLS_LAST" not in own, own
    assert "KNOWN_CLIENT" in own and "CLIENT_WITHOUT_TLS" not in own, own
    plain = header_of(postfix, connect, daemon, recipient(), OUTSIDE, tls=False)
    assert "KNOWN_CLIENT" not in plain and "CLIENT_WITHOUT_TLS" in plain, plain
