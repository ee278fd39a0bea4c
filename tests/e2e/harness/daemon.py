"""gatepost itself, run from a configuration directory of the test."""

import os
import re
import signal
import subprocess
import tempfile

from .ports import free_port
from .wait import DEADLINE, read_text, wait_for_line, wait_until

BINARY = os.environ.get("GATEPOST", "")
KEYS_NAME = "gatepost-keys"
LEDGER_NAME = "gatepost-ledger"
HOOKS = os.environ.get("GATEPOST_HOOKS", "")  # the same, built with --define=test_hooks=1
HOSTNAME = "front.gatepost.test"
_SHOWN = 30_000  # of a log, to a person
_SANITIZER_REPORT = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:")


def config_text(parameters):
    """gatepost.cf with these parameters."""
    return "".join(f"{name} = {value}\n" for name, value in parameters.items())


def process_status(pid):
    """/proc/PID/status as a dictionary."""
    pairs = (line.split(":", 1) for line in read_text(f"/proc/{pid}/status").splitlines())
    return {name: value.strip() for name, value in pairs}


def session_processes(session):
    """The processes of a kernel session, without zombies."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        stat = read_text(f"/proc/{entry}/stat")
        fields = stat.rpartition(")")[2].split()
        if fields and fields[0] != "Z" and int(fields[3]) == session:
            found.append(int(entry))
    return found


class Gatepost:
    """One daemon. Parameters that are not given are those of default_parameters()."""

    def __init__(self, directory, certificate, backend, user="nobody", **parameters):
        self.directory = tempfile.mkdtemp(prefix="gatepost.", dir=directory)
        os.chmod(self.directory, 0o755)
        self.log_path = os.path.join(self.directory, "maillog")
        self.stderr_path = os.path.join(self.directory, "stderr")
        self.port, self.port6 = free_port(), free_port()
        self.parameters = self.default_parameters(certificate, backend, user) | parameters
        self.process = None
        self.environment = {}  # besides the test's own
        self.binary = BINARY
        self.launcher = []  # a command that runs the daemon
        self.descriptors = ()  # that it inherits
        self.write_config()

    @property
    def address(self):
        """Where it listens on IPv4."""
        return ("127.0.0.1", self.port)

    @property
    def address6(self):
        """Where it listens on IPv6."""
        return ("::1", self.port6)

    def path(self, name):
        """A file of this daemon's directory."""
        return os.path.join(self.directory, name)

    def default_parameters(self, certificate, backend, user):
        """Opportunistic TLS with one certificate, on IPv4 and IPv6, two workers."""
        for name in ("empty", "state"):
            os.mkdir(self.path(name), 0o755)
        return {
            "gatepost_listen": f"127.0.0.1:{self.port}, [::1]:{self.port6}",
            "gatepost_backend": backend,
            "gatepost_workers": "2",
            "gatepost_user": user,
            "gatepost_chroot_directory": self.path("empty"),
            "gatepost_state_directory": self.path("state"),
            "gatepost_control_socket": self.path("control"),
            "myhostname": HOSTNAME,
            "maillog_file": self.log_path,
            "smtpd_tls_security_level": "may",
            "smtpd_tls_cert_file": certificate.cert,
            "smtpd_tls_key_file": certificate.key,
            "smtpd_tls_loglevel": "1",
            "smtpd_forbid_bare_newline_exclusions": "",  # the clients are on this host
        }

    def write_config(self, **changes):
        """Writes gatepost.cf, with changes to the parameters."""
        self.parameters |= changes
        with open(self.path("gatepost.cf"), "w", encoding="latin-1") as file:
            file.write(config_text(self.parameters))

    # Life

    def start(self, preexec=None):
        """Starts it in the foreground, and waits until it serves."""
        self.launch(preexec)
        return self.wait_ready()

    def launch(self, preexec=None):
        """Starts it."""
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                [*self.launcher, self.binary, "-c", self.directory, "run"], stdin=subprocess.DEVNULL,
                stdout=stderr, stderr=stderr, start_new_session=True, preexec_fn=preexec,
                env=os.environ | self.environment, pass_fds=self.descriptors)

    def wait_ready(self):
        """Waits until it serves."""
        wait_until(lambda: self._is_ready(), f"the daemon's start\n{self.output()}")
        return self

    def _is_ready(self):
        assert self.process.poll() is None, \
            f"exit status {self.process.returncode} at start:\n{self.output()}"
        return re.search(r"gatepost/master\[\d+\]: daemon started -- version", self.log())

    def reload(self):
        """`gatepost reload`, which must succeed; returns when the old workers have gone, so no
        session may be open that lasts."""
        old = set(self.workers())
        result = run_command("-c", self.directory, "reload")
        assert result.returncode == 0, result
        wait_until(lambda: not old & set(self.workers()), "the old workers' end")

    def terminate(self):
        """Asks it to end; returns at once."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Waits for its end: exit status 0, no process left, nothing said by a sanitizer."""
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end it:\n{self.output()}") from None
        left = session_processes(self.process.pid)
        self.kill()
        assert status == 0, f"exit status {status}:\n{self.output()}"
        assert not left, f"processes left behind: {left}"
        forbidden = "was killed by signal 31" in self.log() and self.binary != HOOKS
        assert not forbidden, f"a system call that the sandbox forbids:\n{self.output()}"
        report = _SANITIZER_REPORT.search(self.stderr())
        assert not report, self.stderr()

    def stop(self):
        """Ends it, unless it was never started or has ended."""
        if self.process and self.process.returncode is None:
            self.terminate()
            self.wait()

    def kill(self):
        """Makes sure that nothing of it runs on, whatever state it is in."""
        for pid in session_processes(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def children(self):
        """The process ids of all processes but the master."""
        master = str(self.process.pid)
        return [pid for pid in session_processes(self.process.pid)
                if process_status(pid).get("PPid") == master]

    def workers(self):
        """The process ids of the workers: the master's children but for those with the keys and
        the ledger."""
        return [pid for pid in self.children()
                if process_status(pid).get("Name") not in (KEYS_NAME, LEDGER_NAME)]

    def key_processes(self):
        """The process ids of those with the keys."""
        return [pid for pid in self.children()
                if process_status(pid).get("Name") == KEYS_NAME]

    def ledgers(self):
        """The process ids of those with the ledger."""
        return [pid for pid in self.children()
                if process_status(pid).get("Name") == LEDGER_NAME]

    @property
    def ledger_path(self):
        """Where the ledger's database is."""
        return os.path.join(self.parameters["gatepost_state_directory"], "ledger", "ledger.db")

    # What it says

    def log(self):
        """The log so far."""
        return read_text(self.log_path)

    def stderr(self):
        """What it wrote to standard error so far."""
        return read_text(self.stderr_path)

    def output(self):
        """Log and standard error, for a person; the end of what is too long."""
        return f"--- maillog\n{self.log()[-_SHOWN:]}--- stderr\n{self.stderr()[-_SHOWN:]}"

    def wait_log(self, pattern, deadline=None):
        """Waits for a line that matches; returns the match."""
        return wait_for_line(self.log_path, pattern, 0, deadline)


def run_command(*arguments, deadline=DEADLINE, **options):
    """Runs `gatepost ARGUMENTS`; returns the completed process, output as text."""
    return subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, errors="replace", timeout=deadline, check=False,
                          **options)
