"""Session tickets outlive the worker that gave them out, and a reload; and with a key file the
daemon, and are good on other hosts. Their keys do not outlive smtpd_tls_session_cache_timeout."""

import os
import signal
import ssl

import pytest

from harness.client import Client, tls_context
from harness.clock import Clock
from harness.daemon import HOSTNAME, run_command
from harness.wait import wait_until

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
TIMEOUT = 3600  # smtpd_tls_session_cache_timeout
STEP = TIMEOUT // 2


@pytest.fixture(name="clock")
def make_clock(directory):
    """The clocks of daemons that are started by start_with()."""
    return Clock(directory)


def start_with(clock, daemon):
    """Starts the daemon under that clock."""
    daemon.environment = clock.environment()
    return daemon.start()


@pytest.fixture(name="context", params=VERSIONS, ids=lambda version: version.name)
def make_context(request):
    """A client's TLS context for one version."""
    return tls_context(request.param, request.param)


def resume(daemon, context, session=None):
    """A TLS session; (reused, session)."""
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        client.socket = context.wrap_socket(client.socket, server_hostname=HOSTNAME,
                                            session=session)
        assert client.command("NOOP").code == 250
        return client.socket.session_reused, client.socket.session


def write_key(directory, name="tickets.key", mode=0o600, length=48):
    """A file of random bytes."""
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(os.urandom(length))
    os.chmod(path, mode)
    return path


def test_workers_share(make_gatepost, backend, context):
    """Clients do not choose which worker they get."""
    daemon = make_gatepost(backend.endpoint, gatepost_workers="2")
    session = resume(daemon, context)[1]
    assert all(resume(daemon, context, session)[0] for _ in range(12))


def test_new_worker(make_gatepost, backend, context):
    daemon = make_gatepost(backend.endpoint, gatepost_workers="1")
    session = resume(daemon, context)[1]
    victim = daemon.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: daemon.workers() and victim not in daemon.workers(), "a new worker")
    assert resume(daemon, context, session)[0]


def test_reload(make_gatepost, backend, context):
    daemon = make_gatepost(backend.endpoint, gatepost_workers="2")
    session = resume(daemon, context)[1]
    for _ in range(3):
        daemon.reload()
        assert resume(daemon, context, session)[0]


def test_reload_with_another_policy(make_gatepost, backend):
    context = tls_context()
    daemon = make_gatepost(backend.endpoint)
    session = resume(daemon, context)[1]
    daemon.write_config(smtpd_tls_protocols=">=TLSv1.2")
    daemon.reload()
    assert not resume(daemon, context, session)[0]


def test_reload_with_another_timeout(make_gatepost, backend, context):
    """A session is good for as long as was promised, or less."""
    daemon = make_gatepost(backend.endpoint)
    session = resume(daemon, context)[1]
    daemon.write_config(smtpd_tls_session_cache_timeout="600s")
    daemon.reload()
    assert not resume(daemon, context, session)[0]
    session = resume(daemon, context)[1]
    assert resume(daemon, context, session)[0]


@pytest.mark.parametrize("key_file", [False, True])
def test_keys_grow_old(make_gatepost, backend, clock, context, directory, key_file):
    parameters = {"gatepost_ticket_key_file": write_key(directory)} if key_file else {}
    daemon = make_gatepost(backend.endpoint, start=False, **parameters)
    start_with(clock, daemon)
    session = resume(daemon, context)[1]
    clock.shift(STEP)
    reused, renewed = resume(daemon, context, session)
    assert reused
    daemon.reload()  # the new workers have the same keys
    assert resume(daemon, context, session)[0]
    clock.shift(2 * STEP)
    assert not resume(daemon, context, session)[0]
    assert resume(daemon, context, renewed)[0]
    clock.shift(9 * STEP)
    assert not resume(daemon, context, renewed)[0]
    session = resume(daemon, context)[1]
    assert resume(daemon, context, session)[0]


def test_key_file_is_shared(make_gatepost, backend, context, directory):
    path = write_key(directory)
    first, second = (make_gatepost(backend.endpoint, gatepost_ticket_key_file=path)
                     for _ in range(2))
    third = make_gatepost(backend.endpoint,
                          gatepost_ticket_key_file=write_key(directory, "other.key"))
    session = resume(first, context)[1]
    assert resume(second, context, session)[0]
    assert not resume(third, context, session)[0]


def test_key_file_outlives_the_daemon(make_gatepost, backend, context, directory):
    daemon = make_gatepost(backend.endpoint, gatepost_ticket_key_file=write_key(directory))
    session = resume(daemon, context)[1]
    daemon.stop()
    os.unlink(daemon.log_path)
    daemon.start()
    assert resume(daemon, context, session)[0]


def test_key_file_is_read_again(make_gatepost, backend, context, directory):
    path = write_key(directory)
    daemon = make_gatepost(backend.endpoint, gatepost_ticket_key_file=path)
    session = resume(daemon, context)[1]
    write_key(directory)
    assert resume(daemon, context, session)[0]
    daemon.reload()
    assert not resume(daemon, context, session)[0]


def test_bad_key_file_changes_nothing(make_gatepost, backend, context, directory):
    path = write_key(directory)
    daemon = make_gatepost(backend.endpoint, gatepost_ticket_key_file=path)
    session = resume(daemon, context)[1]
    write_key(directory, length=31)
    result = run_command("-c", daemon.directory, "reload")
    assert result.returncode == 1
    assert f"gatepost_ticket_key_file: {path}: has 31 bytes" in result.stdout + result.stderr
    assert resume(daemon, context, session)[0]


@pytest.mark.parametrize("command, status", [("check", 1), ("run", 78)])
def test_missing_key_file(make_gatepost, backend, directory, command, status):
    path = os.path.join(directory, "nowhere")
    daemon = make_gatepost(backend.endpoint, start=False, gatepost_ticket_key_file=path)
    result = run_command("-c", daemon.directory, command)
    assert result.returncode == status
    assert f"gatepost_ticket_key_file: {path}: cannot read: No such file or directory" in \
        result.stdout + result.stderr + daemon.log()


def test_key_file_that_others_can_read(make_gatepost, backend, directory):
    path = write_key(directory, mode=0o644)
    daemon = make_gatepost(backend.endpoint, start=False, gatepost_ticket_key_file=path)
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode == 0
    assert result.stderr.count("others may read or change this file (mode 0644)") == 1
