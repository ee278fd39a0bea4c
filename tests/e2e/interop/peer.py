"""What a client is, for the table, and what a client's code finds around it."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from typing import Callable

from harness.client import Client
from harness.wait import DEADLINE, read_text

COLUMNS = ["TLS 1.3", "TLS 1.2", "resumed", "IPv6", "BDAT", "8BITMIME", "SMTPUTF8"]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Peer:
    """A client. version() raises Missing if it is not here. send(place, jobs) delivers the messages,
    one after another, each in a session of its own. cannot: why, by column. local: it does not
    choose the address that it comes from. alters(body) is what it makes of a message by a fault of
    its own, which its docstring explains."""

    key: str  # a word
    name: str
    version: Callable
    send: Callable
    cannot: dict = field(default_factory=dict)
    local: bool = False
    alters: Callable = None


class Place:
    """A directory for one client, and the site."""

    def __init__(self, site, name):
        self.site = site
        self.directory = os.path.join(site.directory, name)
        os.makedirs(self.directory)
        os.chmod(self.directory, 0o755)

    def path(self, name):
        """A file of the client's."""
        return os.path.join(self.directory, name)

    def write(self, name, text, mode=0o644):
        """Makes one; returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def logs(self):
        """The end of what the client has logged, for a person: its files log* and output."""
        paths = [self.path(name) for name in sorted(os.listdir(self.directory))
                 if name.startswith(("log", "output"))]
        return "".join(f"--- {path}\n{read_text(path)[-2000:]}\n" for path in paths)

    @property
    def trust(self):
        """The certificate to trust."""
        return self.site.certificate.cert

    def run(self, *command, stdin=b"", **options):
        """Runs a program, which must succeed; its output."""
        result = subprocess.run([str(word) for word in command], input=stdin, timeout=DEADLINE,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                cwd=self.directory,
                                **{"env": os.environ | {"PATH": _PATH}} | options)
        output = result.stdout.decode("utf-8", "replace")
        assert result.returncode == 0, f"{command}: exit status {result.returncode}\n{output[-3000:]}"
        return output

    def spawn(self, *command, **options):
        """Starts a program that serves; it is ended with the site. Its output is in PLACE/output."""
        with open(self.path("output"), "ab") as output:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, cwd=self.directory,
                                       start_new_session=True, **options)
        self.site.callback(_end, process)


def _end(process):
    """Ends it, with its children."""
    process.terminate()
    try:
        process.wait(DEADLINE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def first_match(pattern, *command, env=None):
    """A version: what the pattern's group matches in what a command prints."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=DEADLINE, check=False,
                            env=(env or os.environ) | {"PATH": _PATH})
    text = result.stdout.decode("utf-8", "replace")
    match = re.search(pattern, text)
    assert match, f"{command} does not tell its version:\n{text}"
    return match[1]


def inject(port, job):
    """Gives a message to a mail server on 127.0.0.1."""
    with Client(("127.0.0.1", port), "127.0.0.1") as client:
        client.ehlo("submitter.example")
        options = " BODY=8BITMIME" if job.kind.eight_bit else ""
        options += " SMTPUTF8" if job.kind.smtputf8 else ""
        client.expect(250, f"MAIL FROM:<{job.sender}>{options}".encode())
        client.expect(250, f"RCPT TO:<{job.recipient}>".encode())
        client.expect(354, "DATA")
        client.send(job.message.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n") + b".\r\n")
        assert client.reply().code == 250
        client.quit()


def greets(port):
    """Whether a mail server answers there."""
    try:
        with Client(("127.0.0.1", port), "127.0.0.1") as client:
            return client.greeting.code == 220
    except OSError:
        return False
