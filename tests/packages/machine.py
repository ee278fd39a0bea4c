#!/usr/bin/python3
"""machine.py DEB NEWER GUIDE: an administrator's first and last hour with the package, on a machine of
its own with systemd and Postfix. DEB and NEWER are two versions of the package, GUIDE is a shell script
that puts gatepost in front of Postfix. Everything is changed and nothing put back: only for a machine
that is thrown away. The last line is "N passed, N failed"."""

import contextlib
import glob
import json
import os
import pathlib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time

DEADLINE = 120
OWN = "127.0.0.2"  # the client's address
HOME = "/home/reader"


def run(*command, check=True, stdin=subprocess.DEVNULL):
    """A command's output, both channels."""
    result = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=600, check=False,
                            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    assert not check or result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}"
    return result.stdout


def wait_until(predicate, what):
    """Until it is true; its value."""
    end = time.monotonic() + DEADLINE
    while not (value := predicate()):
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.05)
    return value


def install(package):
    """With apt, which asks nothing; files that the administrator changed are kept."""
    return run("apt-get", "install", "-y", "-q", "--allow-downgrades", "--no-install-recommends",
               "-o", "Dpkg::Options::=--force-confold", package)


def active(unit):
    """What systemd thinks of a unit."""
    return run("systemctl", "is-active", unit, check=False).strip()


def listeners():
    """Addresses with a port that somebody listens at, and who."""
    return {line.split()[3]: line for line in run("ss", "-Hltnp").splitlines()}


def main_pid():
    """Of the daemon."""
    return int(run("systemctl", "show", "-P", "MainPID", "gatepost.service"))


def context():
    """TLS with whomever."""
    one = ssl.create_default_context()
    one.check_hostname = False
    one.verify_mode = ssl.CERT_NONE
    return one


def connect(port=25, tls=True):
    """A session."""
    client = smtplib.SMTP("127.0.0.1", port, "client.example", timeout=DEADLINE,
                          source_address=(OWN, 0))
    client.ehlo()
    if tls:
        client.starttls(context=context())
        client.ehlo()
    return client


def arrived(subject):
    """The message with this subject, or None."""
    for name in glob.glob(f"{HOME}/Maildir/new/*"):
        text = pathlib.Path(name).read_text(encoding="latin-1")
        if f"\nSubject: {subject}\n" in text:
            return text
    return None


def deliver(subject, port=25):
    """Sends a message over TLS; as delivered."""
    with connect(port) as client:
        client.sendmail("sender@client.example", "reader@localhost",
                        f"Subject: {subject}\r\n\r\nhello\r\n")
    return wait_until(lambda: arrived(subject), f"the message {subject}")


def true_headers(text):
    """The fields about the client are."""
    assert re.search(rf"^Received-TLS: from client\.example \(\[{OWN}\]\)", text, re.M), text
    assert re.search(r"\(using TLSv1\.3 with cipher ", text), text
    assert re.search(rf"^Received: from client\.example \(unknown \[{OWN}\]\)", text, re.M), text


# The story, in its order

def prepare():
    """A Postfix on port 25 that delivers to a maildir."""
    run("useradd", "--create-home", "reader")
    run("postconf", "-e", "mydestination = localhost", "home_mailbox = Maildir/", "alias_maps =",
        "inet_protocols = all", "mailbox_command =", "smtpd_peername_lookup = no",
        "inet_interfaces = all", "smtpd_tls_security_level = may")
    run("systemctl", "restart", "postfix")
    wait_until(lambda: "0.0.0.0:25" in listeners(), "Postfix")


def test_install(deb, _newer, _guide):
    """It runs at once, for this host only, and Postfix keeps its port."""
    install(deb)
    assert active("gatepost.service") == "active", run("journalctl", "-u", "gatepost", "--no-pager")
    assert active("gatepost.socket") == "inactive"
    mine = {address for address, line in listeners().items() if '"gatepost' in line}
    assert mine == {"127.0.0.1:2525"}, mine
    assert '"master"' in listeners()["0.0.0.0:25"]
    run("id", "gatepost")
    run("systemctl", "is-enabled", "gatepost.service")


def test_self_signed(_deb, _newer, _guide):
    """There is a certificate before anybody has thought of one; nobody else can read its key."""
    path = pathlib.Path("/var/lib/gatepost/selfsigned.pem")
    assert (path.owner(), path.stat().st_mode & 0o777) == ("gatepost", 0o600)


def test_unprivileged(_deb, _newer, _guide):
    """No process of it is root, or has a capability."""
    pids = run("systemctl", "show", "-P", "ControlGroup", "gatepost.service").strip()
    found = [pid for pid in os.listdir("/proc") if pid.isdigit() and pids in
             pathlib.Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii")]
    assert len(found) > 3
    for pid in found:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        assert not re.search(r"^Uid:\s+0\s", status, re.M) and re.search(r"^CapEff:\s+0+$", status, re.M)


def test_autopkgtest(_deb, _newer, _guide):
    """The package's own test, from the source package. Postfix is as before afterwards."""
    shutil.copytree("/etc/postfix", "/root/postfix")
    run("/root/autopkgtest/smtp")
    shutil.copytree("/root/postfix", "/etc/postfix", dirs_exist_ok=True)
    run("postfix", "stop")
    run("systemctl", "restart", "postfix")
    wait_until(lambda: "0.0.0.0:25" in listeners(), "Postfix")


def test_guide(_deb, _newer, guide):
    """The guide's commands put it on port 25, and mail comes through."""
    print(run("bash", "-eux", guide))
    wait_until(lambda: "0.0.0.0:25" in listeners() and active("gatepost.service") == "active", "port 25")
    assert active("gatepost.socket") == "active"
    true_headers(deliver("through the guide"))


def test_ledger(_deb, _newer, _guide):
    """The record goes on when the daemon is started by root instead of its user."""
    def known():
        return json.loads(run("gatepost", "report", "--json", "--peer", OWN))["peers"]
    wait_until(lambda: known() and known()[0]["sessions"] > 1, "the session before and the one now")
    errors = [line for line in run("journalctl", "--no-pager", "-u", "gatepost").splitlines()
              if re.search(r"gatepost\S*: error:", line)]
    assert not errors, errors


def test_reload(_deb, _newer, _guide):
    """systemctl reload succeeds, and fails if the configuration is wrong; mail flows on."""
    run("systemctl", "reload", "gatepost")
    good = pathlib.Path("/etc/gatepost/gatepost.cf").read_bytes()
    with open("/etc/gatepost/gatepost.cf", "ab") as file:
        file.write(b"smtpd_tls_protocols = nonsense\n")
    assert subprocess.run(["systemctl", "reload", "gatepost"], check=False).returncode != 0
    pathlib.Path("/etc/gatepost/gatepost.cf").write_bytes(good)
    run("systemctl", "reload", "gatepost")
    true_headers(deliver("after a reload"))


def test_logrotate(_deb, _newer, _guide):
    """With maillog_file in the place that logrotate knows."""
    with open("/etc/gatepost/gatepost.cf", "a", encoding="ascii") as file:
        file.write("maillog_file = /var/log/gatepost/gatepost.log\n")
    run("systemctl", "restart", "gatepost")
    log = pathlib.Path("/var/log/gatepost/gatepost.log")
    deliver("before rotation")
    wait_until(lambda: "disconnect from" in log.read_text(encoding="ascii"), "the log")
    for number in range(2):  # the second compresses the first
        run("logrotate", "--force", "/etc/logrotate.d/gatepost")
        deliver(f"after rotation {number}")
        wait_until(lambda: "disconnect from" in log.read_text(encoding="ascii"), "the new log")
    assert log.with_name("gatepost.log.2.gz").exists()
    status = log.stat()
    assert (log.owner(), log.group(), status.st_mode & 0o777) == ("gatepost", "adm", 0o640)


class Arrivals(threading.Thread):
    """Somebody new connects all the time; no one may be turned away."""

    def __init__(self):
        super().__init__()
        self.over = threading.Event()
        self.greetings = []
        self.failures = []

    def run(self):
        while not self.over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", 25), DEADLINE, (OWN, 0)) as one:
                    self.greetings.append(one.makefile("rb").readline())
                    one.sendall(b"QUIT\r\n")
            except OSError as error:
                self.failures.append(error)
            self.over.wait(0.05)


def test_upgrade(_deb, newer, _guide):
    """A message that is being sent arrives, once; nobody is refused; the configuration stays."""
    configuration = pathlib.Path("/etc/gatepost/gatepost.cf").read_bytes()
    old = main_pid()
    sending = connect()
    assert sending.mail("sender@client.example")[0] == 250
    assert sending.rcpt("reader@localhost")[0] == 250
    assert sending.docmd("DATA")[0] == 354
    sending.send(b"Subject: during an upgrade\r\n\r\nfirst half\r\n")
    arrivals = Arrivals()
    arrivals.start()
    upgrade = threading.Thread(target=install, args=(newer,))
    upgrade.start()
    wait_until(lambda: active("gatepost.service") == "deactivating", "the restart")
    sending.send(b"second half\r\n.\r\n")
    assert sending.getreply()[0] == 250
    sending.close()
    upgrade.join()
    arrivals.over.set()
    arrivals.join()
    assert run("dpkg-query", "-W", "-f", "${Version}", "gatepost").endswith("+newer")
    assert main_pid() not in (0, old)
    assert not arrivals.failures, arrivals.failures
    assert len(arrivals.greetings) > 5
    assert {one[:4] for one in arrivals.greetings} == {b"220 "}, arrivals.greetings
    assert "second half" in wait_until(lambda: arrived("during an upgrade"), "the message")
    assert configuration == pathlib.Path("/etc/gatepost/gatepost.cf").read_bytes()
    assert active("gatepost.socket") == "active"
    true_headers(deliver("after the upgrade"))
    print(f"{len(arrivals.greetings)} connections during the upgrade")


def test_remove(deb, _newer, _guide):
    """Stops and leaves what is the administrator's; installed again, it is as before."""
    run("apt-get", "remove", "-y", "-q", "gatepost")
    assert active("gatepost.service") != "active" and active("gatepost.socket") != "active"
    assert "0.0.0.0:25" not in listeners()
    assert not os.path.exists("/usr/sbin/gatepost")
    for path in ("/etc/gatepost/gatepost.cf", "/var/lib/gatepost/ledger/ledger.db",
                 "/var/log/gatepost/gatepost.log"):
        assert os.path.exists(path), path
    install(deb)
    run("systemctl", "restart", "gatepost")
    assert active("gatepost.socket") == "active"
    true_headers(deliver("installed again"))


def test_purge(_deb, _newer, _guide):
    """Nothing is left but the user, and what the administrator put into systemd's directory and
    Postfix's."""
    run("apt-get", "purge", "-y", "-q", "gatepost")
    left = run("find", "/etc", "/var/lib", "/var/log", "/usr", "/lib/systemd", "-xdev",
               "-name", "*gatepost*", "-not", "-path", "/etc/systemd/system/gatepost.service.d*",
               "-not", "-path", "/etc/postfix/master.cf.before-gatepost").split()
    assert not left, left
    assert "0.0.0.0:25" not in listeners()
    run("id", "gatepost")


def main(deb, newer, guide):
    """All tests in the order of the file; the first that fails is the last."""
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    passed = 0
    prepare()
    for test in tests:
        start = time.monotonic()
        try:
            test(deb, newer, guide)
        except Exception as error:  # pylint: disable=broad-except
            print(f"FAILED: {test.__name__}: {type(error).__name__}: {error}", flush=True)
            with contextlib.suppress(Exception):
                print(run("journalctl", "--no-pager", "-n", "60"), flush=True)
            break
        passed += 1
        print(f"ok: {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{passed} passed, {len(tests) - passed} failed", flush=True)
    return 0 if passed == len(tests) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
