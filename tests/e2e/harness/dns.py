"""A signed zone (Knot DNS) behind a validating resolver (Unbound), both private."""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from .ports import free_port
from .wait import DEADLINE, read_text, wait_for_line, wait_until

SIGNED, UNSIGNED, BOGUS = "gatepost.test", "unsigned.test", "bogus.test"
_ZONES = (SIGNED, UNSIGNED, BOGUS)
_HEAD = """@ 60 SOA ns hostmaster {serial} 3600 600 86400 60
@ 60 NS ns
ns 60 A 127.0.0.1
mx 60 A 127.0.0.1
front 60 A 127.0.0.1
"""


def is_installed():
    """Whether the servers are there."""
    return all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in
               ("knotd", "keymgr", "knotc", "unbound"))


class PrivateDns:
    """Started by start(), ended by stop(). The resolver is at address:53, an address of the
    loopback network that no other test has."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="gatepost-dns.")
        pid = os.getpid()
        self.address = f"127.{100 + pid // 65536}.{pid // 256 % 256}.{pid % 256 or 1}"
        self.port = free_port()  # of the authoritative server
        self.serial = 1
        self.records = {name: "" for name in _ZONES}
        self.processes = []

    def path(self, name):
        """A file of its own."""
        return os.path.join(self.directory, name)

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        return self.path(name)

    def _write_zones(self):
        for name in _ZONES:
            self._write(name, _HEAD.format(serial=self.serial) + self.records[name])

    def _knot(self, *arguments):
        return subprocess.run(arguments, check=True, capture_output=True, text=True,
                              timeout=DEADLINE, env=os.environ | {"PATH": "/usr/sbin:/usr/bin"}
                              ).stdout

    def start(self):
        """Starts both; the resolver answers when this returns."""
        self._write_zones()
        os.mkdir(self.path("db"))
        signing = "    dnssec-signing: on\n    dnssec-policy: quick\n    zonefile-sync: -1\n" \
                  "    zonefile-load: difference-no-serial\n    journal-content: all\n"
        zones = "".join(f"  - domain: {name}\n    file: {self.path(name)}\n"
                        + (signing if name != UNSIGNED else "") for name in _ZONES)
        config = self._write("knot.conf", f"""server:
    listen: 127.0.0.1@{self.port}
    rundir: {self.directory}
    user: root
database:
    storage: {self.path("db")}
log:
  - target: stderr
    any: info
policy:
  - id: quick
    algorithm: ecdsap256sha256
    single-type-signing: on
zone:
{zones}""")
        self._run("knotd", "/usr/sbin/knotd", "-c", config)
        wait_for_line(self.path("knotd.log"), r"server started", 0, DEADLINE)
        anchor = next(line for line in self._knot("keymgr", "-c", config, SIGNED, "ds").splitlines()
                      if " 13 2 " in line)
        stubs = "".join(f'stub-zone:\n    name: "{name}"\n    stub-addr: 127.0.0.1@{self.port}\n'
                        for name in _ZONES)
        config = self._write("unbound.conf", f"""server:
    interface: {self.address}
    access-control: 127.0.0.0/8 allow
    chroot: ""
    username: ""
    directory: "{self.directory}"
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    num-threads: 1
    cache-max-ttl: 0
    cache-max-negative-ttl: 0
    aggressive-nsec: no
    do-not-query-localhost: no
    local-zone: "test." nodefault
    trust-anchor: "{anchor}"
    trust-anchor: "{anchor.replace(SIGNED, BOGUS)}"
    domain-insecure: "{UNSIGNED}"
remote-control:
    control-enable: no
{stubs}""")
        self._run("unbound", "/usr/sbin/unbound", "-d", "-c", config)
        wait_until(self._answers, f"the resolver\n{read_text(self.path('unbound.log'))}")
        return self

    def _run(self, name, *arguments):
        with open(self.path(name + ".log"), "ab") as log:
            self.processes.append(subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log,
                                                   stderr=log))

    def _answers(self):
        """Whether the resolver verifies the signed zone."""
        query = struct.pack("!HHHHHH", 1, 0x0120, 1, 0, 0, 0) + \
            b"".join(bytes([len(label)]) + label.encode() for label in f"mx.{SIGNED}".split(".")) + \
            b"\0" + struct.pack("!HH", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            asking.connect((self.address, 53))
            try:
                asking.send(query)
                answer = asking.recv(4096)
            except OSError:
                time.sleep(0.1)
                return False
        return answer[3] & 0x2F == 0x20  # NOERROR and AD

    def publish(self, records, zone=SIGNED):
        """Makes these the records of a zone, besides those that all have; lines of a zone file."""
        self.serial += 1
        self.records[zone] = "".join(line + "\n" for line in records)
        self._write_zones()
        self._knot("knotc", "-c", self.path("knot.conf"), "-b", "zone-reload", zone)

    def stop(self):
        """Ends both."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(DEADLINE)
        shutil.rmtree(self.directory, ignore_errors=True)

    def with_resolver(self, *command):
        """The command, to be run where this is the resolver of resolv.conf(5)."""
        config = self._write("resolv.conf", f"nameserver {self.address}\noptions trust-ad\n")
        script = f'mount --bind {config} "$(realpath /etc/resolv.conf)" && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", *command]
