"""`gatepost top`: on terminals of several sizes and kinds, and without one. The terminal is tmux,
which says what is on its screen."""

import contextlib
import os
import re
import shlex
import signal
import ssl
import subprocess
import threading

import pytest

from harness.client import Client, tls_context
from harness.daemon import BINARY, run_command
from harness.wait import wait_until

MESSAGE = b"Subject: x\r\n\r\nsome text\r\n"


@pytest.fixture(name="daemon")
def make_daemon(make_gatepost, backend):
    """In front of a scripted backend."""
    return make_gatepost(backend.endpoint, smtpd_tls_protocols=">=TLSv1.2")


def session(daemon, context=None, messages=0):
    """A whole session; a handshake that fails is no matter."""
    with Client(daemon.address, "127.0.0.2") as client, \
            contextlib.suppress(ssl.SSLError, ConnectionResetError):
        client.ehlo('evil\x1b[31m"} <b>')
        if context:
            client.starttls(context)
            client.ehlo("client.example")
        for _ in range(messages):
            client.deliver("someone@gatepost.test", MESSAGE)
        client.quit()


class Terminal:
    """A command in a terminal."""

    def __init__(self, directory, command, columns, rows, term="tmux-256color"):
        self._socket = os.path.join(directory, "tmux")
        self.status_path = os.path.join(directory, "status")
        line = f"TERM={term} {shlex.join(command)}; echo ended $? > {self.status_path}; cat"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, line,
                   env=os.environ | {"LC_ALL": "C.UTF-8"})

    def _tmux(self, *arguments, **options):
        return subprocess.run(["tmux", "-S", self._socket, *map(str, arguments)], check=True,
                              capture_output=True, text=True, timeout=60, **options).stdout

    def screen(self):
        """What is on it, as lines."""
        return self._tmux("capture-pane", "-p").splitlines()

    def keys(self, *keys):
        """Presses keys."""
        self._tmux("send-keys", *keys)

    def resize(self, columns, rows):
        """The user pulls at the window's corner."""
        self._tmux("resize-window", "-x", columns, "-y", rows)

    def wait(self, pattern, flags=re.M):
        """The screen, once something matches."""
        def look():
            text = "\n".join(self.screen())
            return text if re.search(pattern, text, flags) else None
        try:
            return wait_until(look, repr(pattern)).splitlines()
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(self.screen())) from None

    def ended(self):
        """The command's exit status, once it has ended."""
        def look():
            with contextlib.suppress(FileNotFoundError):
                with open(self.status_path, encoding="ascii") as file:
                    return file.read()
            return None
        return wait_until(look, "the end").split()[1]

    def close(self):
        """The end."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")


@pytest.fixture(name="terminal")
def make_terminal(daemon, directory):
    """terminal(columns, rows, *options): gatepost top on it."""
    opened = []

    def make(columns, rows, *options, term="tmux-256color"):
        command = [BINARY, "-c", daemon.directory, "top", *options]
        opened.append(Terminal(directory, command, columns, rows, term))
        return opened[-1]
    yield make
    for one in opened:
        one.close()


def fits(screen, columns, rows):
    """Nothing is wider or longer than the screen, and nothing moved the cursor."""
    assert len(screen) <= rows, screen
    assert all(len(line) <= columns and line.isprintable() for line in screen), screen


def test_usual_terminal(daemon, terminal):
    """80x24: everything at once, in two columns; keys do what they say."""
    session(daemon, tls_context(), messages=2)
    session(daemon, tls_context(maximum=ssl.TLSVersion.TLSv1_1))
    view = terminal(80, 24, "-d", "0.2")
    screen = view.wait(r"^protocol_too_old +- +1  TLS_AES_256_GCM_SHA384 +- +1$")
    fits(screen, 80, 24)
    assert re.match(r"gatepost \d\d:\d\d:\d\d up 0d 00:0\d$", screen[0].strip()), screen[0]
    assert re.match(r"sessions \d+ open, \S+/s, 0 in handshake, limit \d+", screen[1])
    assert re.match(r"messages \S+/s, \d+% TLS, \S+ bytes/s", screen[2])
    assert re.match(r"TLS \S+/s, \S+/s fail, \d+% resumed, in ", screen[3])
    assert re.match(r"backend ready in .*, answers in ", screen[4])
    assert re.match(r"workers 2, 0 finish, 0 replaced; reloads 0", screen[5])
    text = "\n".join(screen)
    assert re.search(r"^PROTOCOL +per s +total +BACKEND +state$", text, re.M)
    assert re.search(r"^TLSv1\.3 +- +1  inet:127\S+ +serves$", text, re.M)
    assert "TLS_AES_256_GCM_SHA384" in text and "evil" not in text
    assert screen[-1].startswith("q quit  p pause  s sort by total")
    view.keys("s")
    view.wait(r"^q quit  p pause  s sort by rate")
    view.keys("p")
    view.wait("PAUSED")
    session(daemon)
    view.keys("p")
    view.wait(r"up 0d \S+$")
    view.keys("q")
    assert view.ended() == "0"


def test_rates_move(daemon, terminal):
    """While clients come, rates are not zero; and then they are again."""
    view = terminal(80, 24, "-d", "0.5")
    view.wait("^TLS - *|^TLS -/s")
    stop = threading.Event()

    def crowd():
        while not stop.is_set():
            session(daemon, tls_context(), messages=1)
    thread = threading.Thread(target=crowd)
    thread.start()
    try:
        view.wait(r"^messages [\d.]+/s, 100% TLS, [\d.]+k? bytes/s\n"
                  r"TLS [\d.]+/s, -/s fail, \d+% resumed, in [\d.]+ m?s\n"
                  r"backend ready in [\d.]+ m?s, answers in [\d.]+ m?s")
        view.wait(r"^TLSv1\.3 +[\d.]+ +\d+")
    finally:
        stop.set()
        thread.join()
    view.wait(r"^messages -/s")


def test_small_terminal_and_resizing(daemon, terminal):
    """40x10: one column, cut off; and the view follows the window, down to almost nothing."""
    session(daemon, tls_context(), messages=1)
    view = terminal(40, 10, "-d", "0.2")
    screen = view.wait(r"^TLSv1\.3 ")
    fits(screen, 40, 10)
    assert re.match(r"PROTOCOL +per s +total$", screen[7]) and screen[9].startswith("q quit")
    view.resize(100, 30)
    screen = view.wait(r"^PROTOCOL +per s +total +BACKEND +state$")
    fits(screen, 100, 30)
    for columns, rows in ((20, 5), (2, 2), (1, 1), (250, 80)):
        view.resize(columns, rows)
        wait_until(lambda size=(columns, rows): max(map(len, view.screen()), default=0) <= size[0],
                   "the other size")
    screen = view.wait(r"^GROUP|GROUP +per s")
    fits(screen, 250, 80)
    view.keys("q")
    assert view.ended() == "0"


@pytest.mark.parametrize("term", ["vt100", "xterm", "linux"])
def test_other_terminals(daemon, terminal, term):
    """Without colour, and with little else."""
    session(daemon, tls_context())
    view = terminal(80, 24, term=term)
    view.wait(r"^TLSv1\.3 +\S+ +1 ")
    view.keys("q")
    assert view.ended() == "0"


def test_unknown_terminal(terminal):
    view = terminal(80, 24, term="nonsense")
    view.wait("terminal nonsense is not known; use --once")
    assert view.ended() == "1"


def test_backend_that_is_down(daemon, terminal, backend):
    """It is said, and on top of the table."""
    session(daemon, messages=1)
    backend.close()
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.command("MAIL FROM:<a@client.example>")
    view = terminal(80, 24)
    view.wait("DOES NOT SERVE$")


def test_daemon_goes_and_comes(daemon, terminal):
    """The view stays, says why it knows nothing, and goes on when the daemon is back."""
    view = terminal(80, 24, "-d", "0.2")
    view.wait("^workers 2")
    daemon.stop()
    view.wait("cannot reach the daemon")
    os.unlink(daemon.log_path)
    daemon.start()
    screen = view.wait("^gatepost .* up 0d 00:00")
    assert "cannot reach" not in "\n".join(screen)


def test_terminal_goes(daemon, terminal):
    """No process is left behind that waits for a key."""
    view = terminal(80, 24)
    view.wait("^workers 2")
    mark = f"-c\0{daemon.directory}\0top".encode()

    def running():
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if mark in file.read():
                        found.append(int(entry))
        return found
    assert running()
    view.close()
    try:
        wait_until(lambda: not running(), "its end")
    finally:
        for pid in running():
            os.kill(pid, signal.SIGKILL)


def test_once(daemon):
    """Plain text for a mail or a script, with rates of one second."""
    session(daemon, tls_context(), messages=3)
    session(daemon, tls_context(maximum=ssl.TLSVersion.TLSv1_1))
    result = run_command("-c", daemon.directory, "top", "--once")
    assert result.returncode == 0 and not result.stderr, result
    lines = result.stdout.splitlines()
    fits(lines, 80, 200)
    assert lines[0].startswith("gatepost ") and not any(line.endswith(" ") for line in lines)
    for pattern in (r"^TLSv1\.3 +- +1 ", r"protocol_too_old|TLS FAILURE", r"^workers 2, ",
                    r"serves$", r"^TLS FAILURE +per s +total +CIPHER"):
        assert re.search(pattern, result.stdout, re.M), pattern
    assert re.search(r"protocol_too_old +- +1", result.stdout)


def test_wrong_use(daemon):
    for options in (["-d"], ["-d", "0"], ["-d", "x"], ["-d", "nan"], ["-d", "1e9"], ["now"],
                    ["--json"]):
        assert run_command("-c", daemon.directory, "top", *options).returncode == 64, options
    result = run_command("-c", daemon.directory, "top")
    assert result.returncode == 1 and "--once" in result.stderr
    daemon.stop()
    result = run_command("-c", daemon.directory, "top", "--once")
    assert result.returncode == 1 and "cannot reach the daemon" in result.stderr
