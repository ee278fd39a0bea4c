"""gatepost setup: a Postfix that works gets gatepost in front of it, or stays as it was."""

import os
import pty
import re
import shutil
import signal
import subprocess

import pytest

from harness.client import greets
from harness.daemon import BINARY, run_command
from harness.headers import split_delivered
from harness.ports import free_port
from harness.postfix import DOMAIN, PostfixOnPort25
from harness.wait import read_text, readable, wait_until

pytestmark = pytest.mark.slow
OPERATOR = f"operator@{DOMAIN}"


class Host:
    """A machine with a Postfix that works, and a place for gatepost's configuration."""

    def __init__(self, server, directory):
        self.server = server
        self.directory = os.path.join(directory, "etc")
        self.pid_file = os.path.join(directory, "pid")
        self.log = os.path.join(directory, "maillog")
        for name in ("etc", "empty", "state"):
            os.mkdir(os.path.join(directory, name), 0o755)
        port = free_port()
        self.backend_address = ("127.0.0.1", port)
        self.backend = f"127.0.0.1:{port}"
        self.overrides = {
            "gatepost_user": "nobody",
            "gatepost_chroot_directory": os.path.join(directory, "empty"),
            "gatepost_state_directory": os.path.join(directory, "state"),
            "gatepost_control_socket": os.path.join(directory, "control"),
            "gatepost_backend": f"inet:{self.backend}",
            "maillog_file": self.log,
        }
        self.start = (f"{BINARY} -c {self.directory} run >{directory}/stderr 2>&1 & "
                      f"echo $! >{self.pid_file}")
        # Also if it was never started, as systemctl would.
        self.stop = (f"! [ -e {self.pid_file} ] || {{ kill $(cat {self.pid_file}); "
                     f"rm {self.pid_file}; }}")

    @property
    def postfix(self):
        """Where main.cf is."""
        return os.path.join(self.server.directory, "etc")

    def arguments(self, *options):
        """The whole command."""
        overrides = [word for item in self.overrides.items() for word in ("-o", "%s=%s" % item)]
        return ["-c", self.directory, *overrides, "setup", "--postfix", self.postfix,
                "--to", OPERATOR, "--start", self.start, "--stop", self.stop, *options]

    def setup(self, *options):
        """The completed command."""
        return run_command(*self.arguments(*options))

    def files(self):
        """All configuration of both: name -> content, mode and owner."""
        found = {}
        for directory in (self.directory, self.postfix):
            for parent, _, names in os.walk(directory):
                for name in names:
                    path = os.path.join(parent, name)
                    status = os.stat(path)
                    with open(path, "rb") as file:
                        found[path] = file.read(), status.st_mode, status.st_uid, status.st_gid
        return found

    def stop_all(self):
        """Ends gatepost if it runs."""
        subprocess.run(["sh", "-c", self.stop], check=False, capture_output=True)


@pytest.fixture
def host(directory):
    """Such a machine."""
    server = PostfixOnPort25()
    machine = None
    try:
        server.start()
        machine = Host(server, directory)
        yield machine
    finally:
        if machine:
            machine.stop_all()
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)


def test_there_and_back(host):
    before = host.files()
    result = host.setup("--yes")
    assert result.returncode == 0, result
    assert re.search(r"taken: TLSv1\.3 with cipher \S+: 250 2\.0\.0 Ok: queued as", result.stdout)
    received, ours, _ = split_delivered(host.server.wait_mail(OPERATOR))
    assert ours.protection.startswith("(using TLSv1.3") and "[127." in received
    assert f"{host.backend} inet n - n - - smtpd -o smtpd_upstream" in \
        " ".join(read_text(os.path.join(host.postfix, "master.cf")).split())
    assert f"gatepost_listen = {host.server.host}:25" in \
        read_text(os.path.join(host.directory, "gatepost.cf"))

    again = host.setup("--yes")
    assert again.returncode == 1 and "--undo first" in again.stderr
    result = host.setup("--undo", "--yes")
    assert result.returncode == 0, result
    assert f"Postfix answers on {host.server.host} port 25" in result.stdout
    assert host.files() == before and not greets(*host.backend_address)
    assert host.setup("--undo", "--yes").returncode == 1


def test_dry_run_changes_nothing(host):
    before = host.files()
    result = host.setup("--dry-run")
    assert result.returncode == 0, result
    assert f"gatepost_backend = inet:{host.backend}" in result.stdout
    assert "STARTTLS" in result.stdout and host.start in result.stdout
    assert host.files() == before and greets(host.server.host)


def test_it_asks_first(host):
    before = host.files()
    result = host.setup()  # no terminal
    assert result.returncode == 1 and "--yes" in result.stderr
    for answer in (b"n\n", b"\n"):
        master, slave = pty.openpty()
        with subprocess.Popen([BINARY, *host.arguments()], stdin=slave, stdout=slave,
                              stderr=subprocess.DEVNULL) as process:
            os.close(slave)
            shown = b""
            while b"Do it? [y/N] " not in shown:
                assert readable(master, 60)
                shown += os.read(master, 4096)
            os.write(master, answer)
            assert process.wait(60) == 1
        os.close(master)
    assert host.files() == before


def test_a_gatepost_that_does_not_start(host):
    """Found out too late for Postfix, which has left the port: it comes back."""
    before = host.files()
    host.start = "true"
    result = host.setup("--yes")
    assert result.returncode == 1 and "nobody listens" in result.stderr
    assert "Everything is put back" in result.stdout
    assert host.files() == before
    assert greets(host.server.host)


def test_a_message_that_is_not_taken(host):
    before = host.files()
    result = run_command(*[word.replace(OPERATOR, "nobody@unknown.gatepost.test")
                           for word in host.arguments("--yes")])
    assert result.returncode == 1 and re.search("not taken: RCPT: [45]5[0-9] ", result.stderr), result
    assert host.files() == before and greets(host.server.host)


def test_what_check_refuses(host):
    """Before Postfix leaves the port."""
    before = host.files()
    host.overrides["smtpd_tls_cert_file"] = "/nonexistent/cert.pem"
    result = host.setup("--yes")
    assert result.returncode == 1 and "/nonexistent/cert.pem" in result.stderr
    assert "-M#" not in result.stdout.partition("\n-- ")[2]
    assert host.files() == before and greets(host.server.host)


def test_killed_in_the_middle(host):
    """The journal was there before the first change."""
    before = host.files()
    start, host.start = host.start, "kill -9 $PPID"
    result = host.setup("--yes")
    assert result.returncode == -signal.SIGKILL
    assert not greets(host.server.host) and host.files() != before
    result = host.setup("--undo", "--yes")
    assert result.returncode == 0, result
    assert host.files() == before and greets(host.server.host)
    host.start = start
    assert host.setup("--yes").returncode == 0


def test_interrupted(host):
    """Ctrl-C: everything is put back."""
    before = host.files()
    host.start = "kill -INT $PPID"
    result = host.setup("--yes")
    assert result.returncode == 1 and "interrupted" in result.stderr
    assert host.files() == before and greets(host.server.host)


def test_what_was_changed_since_is_kept(host):
    master = os.path.join(host.postfix, "master.cf")
    before = read_text(master)
    assert host.setup("--yes").returncode == 0
    with open(master, "a", encoding="ascii") as file:
        file.write("# a thought of the operator's\n")
    changed = read_text(master)
    result = host.setup("--undo", "--yes")
    assert result.returncode == 0 and f"{master} was changed since" in result.stdout
    assert read_text(master) == before and read_text(master + ".before-undo") == changed


@pytest.mark.parametrize("options", [["--start", "true"], ["extra"], ["--unknown"]])
def test_usage(options):
    assert run_command("setup", *options).returncode == 64


def test_a_postfix_that_does_not_run(host):
    before = host.files()
    host.server.stop()
    result = host.setup("--yes")
    assert result.returncode == 1 and "does not run" in result.stderr
    assert host.files() == before
    subprocess.run(["postfix", "-c", host.postfix, "start"], check=True, capture_output=True)
