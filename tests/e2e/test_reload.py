"""A reload: no session notices, no client is refused, and what is wrong changes nothing."""

import os
import random
import resource
import signal
import socket
import threading
import time

import pytest

from harness import pki
from harness.client import Client, tls_context
from harness.daemon import HOSTNAME, process_status, run_command
from harness.tls_steps import TlsInSteps
from harness.wait import DEADLINE, wait_until

TO = "r@gatepost.test"


def reload(daemon):
    return run_command("-c", daemon.directory, "reload")


@pytest.fixture
def daemon(make_gatepost, backend):
    return make_gatepost(backend.endpoint, gatepost_workers="2")


# Sessions that go on

class Held:
    """A session that is held open, with a message of its own, half of which may be sent by then."""

    def __init__(self, client, stage, number):
        self.client, self.stage = client, stage
        body = random.Random(number).randbytes(3000).hex().encode()
        lines = [body[start:start + 70] for start in range(0, len(body), 70)]
        self.content = b"Subject: %d\r\n\r\n" % number + b"".join(one + b"\r\n" for one in lines)
        self.half = len(self.content) // 2
        self.handshake = self.certificate = None
        STAGES[stage][0](self)

    def finish(self):
        """The session goes on as if nothing had happened."""
        STAGES[self.stage][1](self)
        self.client.quit()

    # How far it gets first

    def greeted(self):
        pass

    def ehlo(self):
        self.client.ehlo()

    def starttls_said(self):
        self.client.ehlo()
        self.client.expect(220, "STARTTLS")

    def hello_begun(self):
        self.starttls_said()
        self.handshake = TlsInSteps(self.client.socket, tls_context())
        self.handshake.begin()

    def tls(self):
        self.client.ehlo()
        self.client.starttls()
        self.client.ehlo()

    def envelope(self):
        self.client.ehlo()
        self.client.envelope(TO)

    def content_begun(self):
        self.envelope()
        self.client.expect(354, "DATA")
        self.client.send(self.content[:self.half])

    def tls_content_begun(self):
        self.client.ehlo()
        self.client.starttls()
        self.content_begun()

    def rcpt_unanswered(self):
        self.client.ehlo()
        self.client.expect(250, "MAIL FROM:<sender@client.example>")
        self.client.send(b"RCPT TO:<r@late>\r\n")

    def end_unanswered(self):
        self.client.ehlo()
        self.client.envelope("r@late-end")
        self.client.expect(354, "DATA")
        self.client.send(self.content + b".\r\n")

    # And then

    def deliver(self):
        self.client.ehlo()
        self.client.deliver(TO, self.content)

    def handshake_and_deliver(self):
        self.client.handshake()
        self.certificate = self.client.socket.getpeercert(True)
        self.deliver()

    def rest_of_hello_and_deliver(self):
        self.handshake.finish()
        self.client.socket = self.handshake
        self.certificate = self.handshake.getpeercert(True)
        self.deliver()

    def send_content(self):
        self.client.expect(354, "DATA")
        self.client.send(self.content + b".\r\n")
        assert self.client.reply().code == 250

    def send_rest_of_content(self):
        self.client.send(self.content[self.half:] + b".\r\n")
        assert self.client.reply().code == 250

    def accepted_and_send_content(self):
        assert self.client.reply().code == 250
        self.send_content()

    def taken(self):
        assert self.client.reply().code == 250


STAGES = {
    "greeted": (Held.greeted, Held.deliver),
    "after EHLO": (Held.ehlo, Held.deliver),
    "STARTTLS said": (Held.starttls_said, Held.handshake_and_deliver),
    "in the handshake": (Held.hello_begun, Held.rest_of_hello_and_deliver),
    "idle in TLS": (Held.tls, Held.deliver),
    "in a transaction": (Held.envelope, Held.send_content),
    "in content": (Held.content_begun, Held.send_rest_of_content),
    "in content in TLS": (Held.tls_content_begun, Held.send_rest_of_content),
    "backend owes RCPT": (Held.rcpt_unanswered, Held.accepted_and_send_content),
    "backend owes the end": (Held.end_unanswered, Held.taken),
}


class Newcomers:
    """Clients that come all the time, several at once."""

    def __init__(self, daemon, count=3):
        self.failures, self.times, self.certificates = [], [], set()
        self._daemon, self._stop = daemon, threading.Event()
        self._threads = [threading.Thread(target=self._come) for _ in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _come(self):
        while not self._stop.is_set():
            try:
                began = time.monotonic()
                with Client(self._daemon.address, "127.0.0.3") as client:
                    assert client.greeting.code == 220, client.greeting
                    client.ehlo()
                    client.starttls()
                    client.ehlo()
                    certificate = client.socket.getpeercert(True)
                    client.quit()
                self.times.append(time.monotonic() - began)
                self.certificates.add(certificate)
            except Exception as failure:  # pylint: disable=broad-except
                self.failures.append(failure)

    def wait(self, count):
        """Until that many more have been served."""
        goal = len(self.times) + count
        wait_until(lambda: len(self.times) >= goal or self.failures, f"{count} more clients")


def new_certificate(daemon):
    """Puts another one where the daemon reads it."""
    issued = pki.self_signed(HOSTNAME)
    pki.write(daemon.directory, "chain.new", issued.key_pem, issued.pem)
    os.rename(daemon.path("chain.new"), daemon.path("chain.pem"))
    return issued.der


def few_are_late(times, control):
    """Of a hundred clients not one is more than a second later than the latest at a quiet time: how
    long that is depends on what else this machine does."""
    late = [one for one in times if one > 1. + max(control)]
    assert len(late) <= len(times) / 100, (late, len(times), max(control))


@pytest.mark.parametrize("count,reloads", [
    (60, 3), pytest.param(500, 10, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_sessions_at_every_stage(make_gatepost, backend, connect, count, reloads):
    """Held open over reloads with another certificate each, while new clients come all the time."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    daemon = make_gatepost(backend.endpoint, start=False)
    for name in ("smtpd_tls_cert_file", "smtpd_tls_key_file"):
        del daemon.parameters[name]
    daemon.write_config(smtpd_tls_chain_files=daemon.path("chain.pem"), gatepost_drain_time="900s",
                        gatepost_watch_certificates="no")
    first = new_certificate(daemon)
    daemon.start()
    stages = [list(STAGES)[number % len(STAGES)] for number in range(count)]
    held = [Held(connect(daemon), stage, number) for number, stage in enumerate(stages)]
    first_workers = set(daemon.workers())
    with Newcomers(daemon) as newcomers:
        newcomers.wait(100)
        control = list(newcomers.times)
        for number in range(reloads):
            current = new_certificate(daemon)
            daemon.write_config(smtpd_banner=f"mx ESMTP number {number}")
            assert reload(daemon).returncode == 0
            wait_until(lambda: current in newcomers.certificates, "the new certificate")
            newcomers.wait(20)
    assert not newcomers.failures
    few_are_late(newcomers.times[len(control):], control)
    assert len(newcomers.certificates) == reloads + 1
    assert first_workers <= set(daemon.workers())
    with Client(daemon.address, "127.0.0.2", greeting=False) as client:
        assert client.reply().text == f"220 mx ESMTP number {reloads - 1}"
    backend.late.set()
    for one in held:
        one.finish()
        assert one.certificate in (first, None)
    wait_until(lambda: not first_workers & set(daemon.workers()), "the old workers' end")
    wait_until(lambda: len(daemon.children()) == 4, "two workers, a key process, the ledger")
    bodies = [message.content[message.content.index(b"Subject: "):] for message in backend.messages]
    assert sorted(bodies) == sorted(one.content for one in held)


# What does not come into force

def mismatch(daemon, certificates):
    """A key that is another certificate's."""
    daemon.write_config(smtpd_tls_key_file=certificates["rsa"].key)


def no_certificate_in_it(daemon, _):
    pki.write(daemon.directory, "empty.pem")
    daemon.write_config(smtpd_tls_chain_files=daemon.path("empty.pem"))


def broken_table(daemon, _):
    pki.write(daemon.directory, "table", b"192.0.2.1 may\n192.0.2.300 may\n")
    daemon.write_config(smtpd_tls_policy_maps=f"cidr:{daemon.path('table')}")


def no_setting(daemon, _):
    with open(daemon.path("gatepost.cf"), "a", encoding="ascii") as file:
        file.write("these are no words of main.cf\n")


BROKEN = {
    "syntax": {"smtpd_tls_protocols": ">=TLSv9"},
    "no such certificate": {"smtpd_tls_cert_file": "/nonexistent/cert.pem"},
    "no such table": {"smtpd_tls_policy_maps": "cidr:/nonexistent/table"},
    "weaker than asked": {"tls_config_file": "/etc/ssl/openssl.cnf"},
    "a bad boolean": {"tls_preempt_cipherlist": "perhaps"},
    "no suite left": {"smtpd_tls_exclude_ciphers": "ALL"},
    "a client that would get less than asked":
        {"smtpd_tls_policy_maps": "inline:{ { 192.0.2.0/24 may ciphers=null } }"},
    "no such server names": {"tls_server_sni_maps": "texthash:/nonexistent/names"},
    "no such ticket keys": {"gatepost_ticket_key_file": "/nonexistent/tickets"},
    "an address that is not ours": {"gatepost_listen": "192.0.2.1:25"},
    "no such user": {"gatepost_user": "no-such-user"},
    "a parameter without end": {"smtpd_banner": "${stress"},
    "key of another certificate": mismatch,
    "a file without certificate": no_certificate_in_it,
    "a wrong line in a table": broken_table,
    "a line that says nothing": no_setting,
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_configuration(daemon, connect, certificates, name):
    """The old one stays in force, and the asker is told why."""
    held, workers = connect(daemon), set(daemon.workers())
    held.ehlo()
    spoil = BROKEN[name] if callable(BROKEN[name]) else lambda *_: daemon.write_config(**BROKEN[name])
    daemon.write_config(smtpd_banner="must not be seen")
    spoil(daemon, certificates)
    result = reload(daemon)
    assert result.returncode == 1
    assert "the old configuration stays in force" in result.stdout + result.stderr
    daemon.wait_log("reload failed: the old configuration stays in force")
    held.starttls()
    held.ehlo()
    with Client(daemon.address, "127.0.0.2", greeting=False) as client:
        assert "must not be seen" not in client.reply().text
    wait_until(lambda: set(daemon.workers()) == workers, "the same workers as before")


def test_no_configuration(daemon):
    """The file is gone, and with it where the daemon can be reached: SIGHUP always gets there."""
    workers = set(daemon.workers())
    os.unlink(daemon.path("gatepost.cf"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log("reload failed: the old configuration stays in force")
    assert "gatepost.cf: No such file" in daemon.log()
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
    assert set(daemon.workers()) == workers


def wait_greeting(daemon, text):
    """A worker with the new configuration answers; one of the old may still accept."""
    def greeted():
        with Client(daemon.address, "127.0.0.2", greeting=False) as client:
            return client.reply().text == text
    wait_until(greeted, f"the greeting {text!r}")


def test_sighup(daemon):
    daemon.write_config(smtpd_banner="after SIGHUP")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log("reload -- version")
    wait_greeting(daemon, "220 after SIGHUP")


def test_one_after_the_other(daemon):
    """Who asks while a reload is under way gets one that begins later."""
    for number in range(1, 4):
        daemon.write_config(smtpd_banner=f"number {number}")
        daemon.process.send_signal(signal.SIGSTOP)  # both are asked for before one begins
        daemon.process.send_signal(signal.SIGHUP)
        with socket.socket(socket.AF_UNIX) as asker:
            asker.connect(daemon.path("control"))
            asker.sendall(b"reload\n")
            daemon.process.send_signal(signal.SIGCONT)
            asker.settimeout(DEADLINE)
            assert asker.makefile("rb").read().startswith(b"ok\n")
        wait_until(lambda: daemon.log().count("reload -- version") == 2 * number, "two reloads")
    wait_greeting(daemon, "220 number 3")


def memory(pid):
    """What a process has for itself, in KiB."""
    return int(process_status(pid)["RssAnon"].split()[0])


def figures(daemon):
    """Open files of the master, and everybody's memory, when nothing else is left."""
    wait_until(lambda: len(daemon.children()) == 4, "two workers, a key process, the ledger")
    files = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    return files, [memory(daemon.process.pid), *map(memory, daemon.workers()),
                   memory(daemon.key_processes()[0])]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.getuid() != 0, reason="only root can look into the master")
def test_a_thousand_reloads(daemon):
    """The daemon does not grow: a thousand times the configuration would be many megabytes."""
    rules = "".join(f"10.{n // 256}.{n % 256}.0/24 may protocols=>=TLSv1 until=2999-01-01\n"
                    for n in range(300))
    pki.write(daemon.directory, "table", rules.encode())
    with open(daemon.parameters["smtpd_tls_key_file"], encoding="ascii") as key, \
            open(daemon.parameters["smtpd_tls_cert_file"], encoding="ascii") as certificate:
        chain = pki.write(daemon.directory, "chain.pem", (key.read() + certificate.read()).encode())
    names = ", ".join(f"{{ n{n}.test = {chain} }}" for n in range(20))
    good = {"smtpd_tls_policy_maps": f"cidr:{daemon.path('table')}",
            "tls_server_sni_maps": f"inline:{{ {names} }}", "smtpd_tls_cert_file": chain,
            "smtpd_tls_key_file": chain}
    early = None
    for number in range(1, 1001):
        daemon.write_config(**good, smtpd_banner=f"number {number}")
        if number % 10 == 0:
            daemon.write_config(smtpd_tls_key_file="/nonexistent")
        assert reload(daemon).returncode == (number % 10 == 0)
        if number == 100:
            early = figures(daemon)
    late = figures(daemon)
    assert late[0] == early[0]
    assert all(after < before + 2048 for before, after in zip(early[1], late[1])), (early, late)
    wait_greeting(daemon, "220 number 999")
