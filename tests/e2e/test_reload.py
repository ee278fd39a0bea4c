"""A reload: no session notices, no client is refused, and what is wrong changes nothing."""

import signal
import threading

import pytest

from harness.client import Client
from harness.daemon import run_command
from harness.wait import wait_until


def reload(daemon):
    return run_command("-c", daemon.directory, "reload")


@pytest.fixture
def daemon(make_gatepost, backend):
    return make_gatepost(backend.endpoint, gatepost_workers="2")


def in_content(client, number):
    """In the midst of a message."""
    client.ehlo()
    client.envelope("r@gatepost.test")
    client.expect(354, "DATA")
    client.send(b"Subject: %d\r\n\r\nfirst half\r\n" % number)


STAGES = {
    "greeted": lambda client, number: None,
    "after EHLO": lambda client, number: client.ehlo(),
    "STARTTLS said": lambda client, number: (client.ehlo(), client.expect(220, "STARTTLS")),
    "idle in TLS": lambda client, number: (client.ehlo(), client.starttls(), client.ehlo()),
    "in a transaction": lambda client, number: (client.ehlo(), client.envelope("r@gatepost.test")),
    "in content": in_content,
}


def finish(client, stage, number):
    """The session goes on as if nothing had happened."""
    if stage == "STARTTLS said":
        client.handshake()
    if stage == "in content":
        client.send(b"second half\r\n.\r\n")
    elif stage == "in a transaction":
        client.expect(354, "DATA")
        client.send(b"Subject: %d\r\n\r\nwhole\r\n.\r\n" % number)
    else:
        client.ehlo()
        client.deliver("r@gatepost.test", b"Subject: %d\r\n" % number)
        client.quit()
        return
    assert client.reply().code == 250
    client.quit()


def test_sessions_at_every_stage(daemon, backend, connect):
    """Held open over five reloads, while new clients come all the time."""
    held = [(connect(daemon), stage, number)
            for number, stage in enumerate(list(STAGES) * 10)]
    for client, stage, number in held:
        STAGES[stage](client, number)
    first_workers = set(daemon.workers())
    stop, served, failures = threading.Event(), [], []

    def newcomers():
        while not stop.is_set():
            try:
                with Client(daemon.address, "127.0.0.3") as client:
                    client.ehlo()
                    client.quit()
                served.append(True)
            except (OSError, AssertionError) as failure:
                failures.append(failure)

    thread = threading.Thread(target=newcomers)
    thread.start()
    try:
        for number in range(5):
            daemon.write_config(smtpd_banner=f"mx ESMTP number {number}")
            before = len(served)
            assert reload(daemon).returncode == 0
            wait_until(lambda: len(served) > before, "a client of the new workers")
    finally:
        stop.set()
        thread.join()
    assert not failures and len(served) >= 5
    with Client(daemon.address, "127.0.0.2", greeting=False) as client:
        assert client.reply().text == "220 mx ESMTP number 4"
    for client, stage, number in held:
        finish(client, stage, number)
    wait_until(lambda: not first_workers & set(daemon.workers()), "the old workers' end")
    wait_until(lambda: len(daemon.workers()) == 2, "two workers")
    subjects = sorted(int(message.content.split(b"Subject: ")[1].split(b"\r\n")[0])
                      for message in backend.messages)
    assert subjects == list(range(len(held)))


BROKEN = {
    "syntax": {"smtpd_tls_protocols": ">=TLSv9"},
    "no such certificate": {"smtpd_tls_cert_file": "/nonexistent/cert.pem"},
    "no such table": {"smtpd_tls_policy_maps": "cidr:/nonexistent/table"},
    "weaker than asked": {"tls_config_file": "/etc/ssl/openssl.cnf"},
    "a bad boolean": {"tls_preempt_cipherlist": "perhaps"},
    "no suite left": {"smtpd_tls_exclude_ciphers": "ALL"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_configuration(daemon, connect, name):
    """The old one stays in force, and the asker is told why."""
    held, workers = connect(daemon), set(daemon.workers())
    held.ehlo()
    daemon.write_config(smtpd_banner="must not be seen", **BROKEN[name])
    result = reload(daemon)
    assert result.returncode == 1
    assert "the old configuration stays in force" in result.stdout + result.stderr
    daemon.wait_log("reload failed: the old configuration stays in force")
    held.starttls()
    held.ehlo()
    with Client(daemon.address, "127.0.0.2", greeting=False) as client:
        assert "must not be seen" not in client.reply().text
    wait_until(lambda: set(daemon.workers()) == workers, "the same workers as before")


def test_sighup(daemon):
    daemon.write_config(smtpd_banner="after SIGHUP")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log("reload -- version")

    def greeted_anew():
        with Client(daemon.address, "127.0.0.2", greeting=False) as client:
            return client.reply().text == "220 after SIGHUP"

    wait_until(greeted_anew, "a worker with the new configuration; an old one may still accept")
