"""Private keys are in one process, which signs for all; nobody else has them."""

import os
import pwd
import re
import signal
import socket
import ssl
import threading

import pytest
from cryptography.hazmat.primitives import serialization

from harness import pki
from harness.client import Client, Closed, tls_context
from harness.daemon import HOSTNAME, process_status, run_command
from harness.wait import wait_until

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="other processes' memory is root's")
NOBODY = pwd.getpwnam("nobody")
TLS = ssl.TLSVersion
FAILURES = (OSError, AssertionError, Closed)
REGION_MAX = 1 << 28  # larger mappings are a sanitizer's shadow
KINDS = {  # what a client asks for: every way in which a key is used
    "ECDSA, TLS 1.3": {"minimum": TLS.TLSv1_3},
    "ECDSA, TLS 1.2": {"maximum": TLS.TLSv1_2, "ciphers": "aECDSA:@SECLEVEL=0"},
    "ECDSA, TLS 1.0": {"maximum": TLS.TLSv1, "ciphers": "aECDSA:@SECLEVEL=0"},
    "RSA, TLS 1.2": {"maximum": TLS.TLSv1_2, "ciphers": "kECDHE+aRSA:@SECLEVEL=0"},
    "RSA, TLS 1.0": {"maximum": TLS.TLSv1, "ciphers": "kECDHE+aRSA:@SECLEVEL=0"},
    "RSA decryption, TLS 1.2": {"maximum": TLS.TLSv1_2, "ciphers": "kRSA:@SECLEVEL=0"},
    "RSA decryption, TLS 1.0": {"maximum": TLS.TLSv1, "ciphers": "kRSA:@SECLEVEL=0"},
}


@pytest.fixture(name="keys")
def make_keys():
    """A certificate of each kind."""
    return [pki.self_signed(HOSTNAME, kind) for kind in ("ecdsa", "rsa")]


def write_keys(daemon, keys):
    """Puts these where the daemon looks for them."""
    return pki.write(daemon.directory, "chains.pem",
                     *(part for key in keys for part in (key.key_pem, key.pem)))


def write_broken(daemon, keys):
    """Puts a key there that does not match its certificate."""
    pki.write(daemon.directory, "chains.pem", keys[0].key_pem, keys[1].pem)


@pytest.fixture(name="daemon")
def make_daemon(make_gatepost, backend, keys):
    """In front of a scripted backend, with both certificates and all versions."""
    daemon = make_gatepost(backend.endpoint, start=False, gatepost_workers="2")
    for name in ("smtpd_tls_cert_file", "smtpd_tls_key_file"):
        daemon.parameters.pop(name, None)
    daemon.write_config(smtpd_tls_chain_files=write_keys(daemon, keys),
                        smtpd_tls_protocols=">=TLSv1", smtpd_tls_mandatory_protocols=">=TLSv1")
    return daemon.start()


def handshake(daemon, kind="ECDSA, TLS 1.3", timeout=30):
    """A session with TLS; returns the server's certificate."""
    with Client(daemon.address, "127.0.0.2", timeout=timeout) as client:
        client.ehlo()
        client.starttls(tls_context(**KINDS[kind]))
        client.ehlo()
        return client.socket.getpeercert(True)


class Load:
    """Clients that make handshakes of all kinds until it is left; failures are counted."""

    def __init__(self, daemon, clients=6):
        self.daemon, self.done, self.failed = daemon, 0, 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,))
                         for number in range(clients)]

    def _run(self, number):
        kinds = list(KINDS)
        while not self._stop.is_set():
            number += 1
            try:
                handshake(self.daemon, kinds[number % len(kinds)])
                self.done += 1
            except FAILURES:
                self.failed += 1

    def more(self, count=30):
        """Waits for so many good handshakes from now on."""
        goal = self.done + count
        wait_until(lambda: self.done >= goal, f"{count} handshakes")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


# Where keys are


def number_patterns(number, size):
    """How a number can lie in memory: its bytes either way round, and in words of 64 bits with the
    first one first or last."""
    little = number.to_bytes(size, "little")
    words = [little[at:at + 8] for at in range(0, size, 8)]
    for form in (little, little[::-1], b"".join(reversed(words)),
                 b"".join(word[::-1] for word in words)):
        half = size // 2
        yield form[:min(half, 24)]
        yield form[half:half + 24]


def secrets_of(private):
    """The secret numbers of a key, with their sizes."""
    numbers = private.private_numbers()
    if hasattr(numbers, "private_value"):
        return [(numbers.private_value, 32)]
    return [(numbers.d, 256), (numbers.p, 128), (numbers.q, 128), (numbers.dmp1, 128),
            (numbers.dmq1, 128), (numbers.iqmp, 128)]


def patterns(key):
    """Everything that would give this key away."""
    for number, size in secrets_of(key.key):
        yield from number_patterns(number, size)
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
        arguments = (form, serialization.NoEncryption())
        yield key.key.private_bytes(serialization.Encoding.DER, *arguments)
        text = key.key.private_bytes(serialization.Encoding.PEM, *arguments).splitlines()
        yield from (line for line in text[1:-1] if len(line) == 64 and text.index(line) > 1)


def memory(pid):
    """What can be read of a process's memory, a mapping at a time."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as file:
        lines = file.read().splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in lines:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or end - start > REGION_MAX or "[vv" in line:
                continue
            try:
                file.seek(start)
                yield file.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue  # gone meanwhile, or not memory


def found_in(pid, wanted):
    """How many of the patterns are in the memory of a process."""
    contents = list(memory(pid))
    assert sum(map(len, contents)) > 100000
    return sum(any(pattern in part for part in contents) for pattern in wanted)


@needs_root
@pytest.mark.slow
def test_only_the_key_process_has_keys(daemon, keys):
    wanted = [set(patterns(key)) for key in keys]
    with Load(daemon) as load:
        load.more()
        for pid in [daemon.process.pid, *daemon.workers()]:
            for _ in range(2):
                load.more(5)
                assert [found_in(pid, one) for one in wanted] == [0, 0]
        [holder] = daemon.key_processes()
        assert all(found_in(holder, one) for one in wanted)  # the search can find them
    assert load.failed == 0


@needs_root
def test_key_process_has_nothing_else(daemon):
    [pid] = daemon.key_processes()
    status = process_status(pid)
    assert all(int(status[name], 16) == 0
               for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    assert status["NoNewPrivs"] == "1"
    assert set(status["Uid"].split()) == {str(NOBODY.pw_uid)}
    assert os.listdir(f"/proc/{pid}/root") == []
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0  # not dumpable
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        assert re.search(r"Max core file size +0 +0 ", file.read())
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        assert target.startswith(("socket:", "pipe:", "anon_inode:", "/dev/null",
                                  daemon.stderr_path)), target


@needs_root
def test_key_process_has_no_internet_socket(daemon):
    [pid] = daemon.key_processes()
    inodes = set(re.findall(r"socket:\[(\d+)\]", " ".join(
        os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd"))))
    with open("/proc/net/unix", encoding="ascii") as file:
        known = {line.split()[6] for line in file.read().splitlines()[1:]}
    assert inodes and inodes <= known


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(daemon, keys, kind):
    assert handshake(daemon, kind) == keys[kind.startswith("RSA")].der


# When it dies


def kill_key_process(daemon):
    """Kills it, and waits for the next one."""
    [victim] = daemon.key_processes()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: daemon.key_processes() not in ([victim], []), "a new key process")


def test_killed_under_load(daemon, connect):
    workers = set(daemon.workers())
    session = connect(daemon)
    session.ehlo()
    session.starttls()
    session.ehlo()
    with Load(daemon) as load:
        for _ in range(3):
            load.more()
            kill_key_process(daemon)
        load.more()
    # Only what had been sent to the dead one is lost; what came after waits for the next.
    assert load.failed <= 3 * 6
    assert set(daemon.workers()) == workers
    session.ehlo()
    session.quit()
    for line in daemon.log().splitlines():
        if "SSL_accept error" in line:
            assert "private key operation failed" in line or "lost connection" in line, line


@pytest.mark.slow
def test_handshake_waits_for_the_next_one(daemon):
    for _ in range(5):
        [victim] = daemon.key_processes()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in daemon.key_processes(), "its end")
        handshake(daemon)
        wait_until(daemon.key_processes, "a new key process")


def test_killed_with_certificates_renewed(daemon, keys):
    """The workers' chains would not fit the new keys: everything is read anew."""
    renewed = [pki.self_signed(HOSTNAME, kind) for kind in ("ecdsa", "rsa")]
    assert handshake(daemon) == keys[0].der
    write_keys(daemon, renewed)
    assert handshake(daemon) == keys[0].der
    os.kill(daemon.key_processes()[0], signal.SIGKILL)
    daemon.wait_log(r"warning: a new key process has found other certificates than the workers")
    daemon.wait_log(r"the new certificates are in force")

    def presents_renewed():
        # A worker that has not yet heard that it is to leave may take one more client.
        try:
            return handshake(daemon) == renewed[0].der
        except FAILURES:
            return False

    wait_until(presents_renewed, "the new certificates")


@pytest.mark.slow
def test_killed_with_keys_unreadable(daemon, keys):
    """Handshakes fail after a while, the rest goes on; it recovers when the keys are back."""
    write_broken(daemon, keys)
    os.kill(daemon.key_processes()[0], signal.SIGKILL)
    with pytest.raises(FAILURES):
        handshake(daemon)
    daemon.wait_log(r"error: .*chains\.pem")
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.quit()
    write_keys(daemon, keys)

    def works():
        try:
            return handshake(daemon) == keys[0].der
        except FAILURES:
            return False

    wait_until(works, "keys again")


def test_worker_killed_under_load(daemon):
    """A new worker gets a way to the key process that is there."""
    with Load(daemon) as load:
        load.more()
        [holder] = daemon.key_processes()
        for victim in daemon.workers():
            os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(daemon.workers()) == 2, "new workers")
        load.more()
        assert daemon.key_processes() == [holder]


# Beginning and end


def test_broken_key_at_the_start(daemon, keys):
    daemon.terminate()
    daemon.wait()
    write_broken(daemon, keys)
    result = run_command("-c", daemon.directory, "run")
    assert result.returncode == 78
    assert re.search(r"error: .*chains\.pem", result.stderr), result.stderr


def test_broken_key_at_reload(daemon, keys):
    [holder] = daemon.key_processes()
    write_broken(daemon, keys)
    result = run_command("-c", daemon.directory, "reload")
    assert result.returncode != 0
    assert re.search(r"error: .*chains\.pem", daemon.log())
    assert daemon.key_processes() == [holder]
    assert handshake(daemon) == keys[0].der


def test_reload_brings_a_new_one(daemon, connect):
    """The old one stays as long as its workers do: they may need it."""
    [old] = daemon.key_processes()
    client = connect(daemon)
    client.ehlo()
    assert run_command("-c", daemon.directory, "reload").returncode == 0
    assert old in daemon.key_processes() and len(daemon.key_processes()) == 2
    client.starttls()
    client.ehlo()
    client.quit()
    wait_until(lambda: old not in daemon.key_processes(), "the old key process's end")
    handshake(daemon)


def test_status_names_it(daemon):
    [holder] = daemon.key_processes()
    status = run_command("-c", daemon.directory, "status").stdout
    assert re.search(rf"^keys {holder}: serving, certificates read "
                     r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", status, re.M), status


def test_client_that_leaves_while_it_waits(daemon):
    """Nobody is there for the signature: nothing happens."""
    [holder] = daemon.key_processes()
    os.kill(holder, signal.SIGSTOP)
    try:
        for _ in range(20):
            with Client(daemon.address, "127.0.0.2") as client:
                client.ehlo()
                client.expect(220, "STARTTLS")
                tls = tls_context().wrap_bio(ssl.MemoryBIO(), out := ssl.MemoryBIO())
                with pytest.raises(ssl.SSLWantReadError):
                    tls.do_handshake()
                client.socket.sendall(out.read())
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    finally:
        os.kill(holder, signal.SIGCONT)
    for _ in range(5):
        handshake(daemon)
