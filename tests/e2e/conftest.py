"""Fixtures. GATEPOST names the binary under test; tests/run sets it."""

import contextlib
import itertools
import os
import shutil
import tempfile

import pytest

from harness.backend import Backend
from harness.certs import make_certificate
from harness.client import Client
from harness.daemon import BINARY, HOOKS, HOSTNAME, Gatepost
from harness.ports import free_port
from harness.postfix import DOMAIN, PrivatePostfix
from harness.sink import Sink

_daemons = []  # of the test that is running: their output is shown if it fails


def pytest_configure():
    if not os.access(BINARY, os.X_OK):
        pytest.exit("GATEPOST must name the gatepost binary (tests/run does that)", 2)
    if not os.access(HOOKS, os.X_OK):
        pytest.exit("GATEPOST_HOOKS must name one with test hooks (tests/run does that)", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for daemon in _daemons:
            report.sections.append((f"gatepost {daemon.directory}", daemon.output()))


@pytest.fixture(scope="session")
def certificates():
    """Certificates by kind: "ecdsa" and "rsa"."""
    with tempfile.TemporaryDirectory(prefix="gatepost-certs.") as directory:
        os.chmod(directory, 0o755)
        yield {kind: make_certificate(directory, kind, HOSTNAME) for kind in ("ecdsa", "rsa")}


@pytest.fixture(scope="session")
def postfix():
    """A running Postfix: one for each pytest worker, since it takes seconds to start."""
    instance = PrivatePostfix()
    try:
        instance.start()
        yield instance
    finally:
        instance.stop()
        shutil.rmtree(instance.directory, ignore_errors=True)


@pytest.fixture
def directory():
    """A directory of the test's own that every user can reach."""
    path = tempfile.mkdtemp(prefix="gatepost-e2e.")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_gatepost(directory, certificates):
    """make_gatepost(endpoint, start=True, certificate="ecdsa", **parameters): a daemon in front of
    a backend. At the end of the test each must end cleanly."""

    def make(endpoint, start=True, certificate="ecdsa", **parameters):
        daemon = Gatepost(directory, certificates[certificate], endpoint, **parameters)
        _daemons.append(daemon)
        return daemon.start() if start else daemon

    _daemons.clear()
    yield make
    with contextlib.ExitStack() as stack:  # the others end even if one does so badly
        for daemon in _daemons:
            stack.callback(daemon.stop)


@pytest.fixture
def gatepost(make_gatepost, postfix):
    """The usual daemon: in front of the real Postfix, PROXY version 2."""
    return make_gatepost(postfix.proxy_endpoint)


@pytest.fixture
def make_backend():
    """make_backend(...): a Backend, closed at the end of the test."""
    backends = []

    def make(*arguments, **options):
        backends.append(Backend(*arguments, **options))
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()


@pytest.fixture
def backend(make_backend):
    """The usual scripted backend: PROXY version 2, all capabilities."""
    return make_backend()


@pytest.fixture
def sink(directory):
    """A fast backend for crowds, which keeps a record of what it accepted."""
    instance = Sink(free_port(), os.path.join(directory, "accepted"))
    yield instance
    instance.kill()


@pytest.fixture
def connect():
    """connect(daemon, source="127.0.0.2", ...): a client, closed at the end of the test."""
    clients = []

    def make(daemon, source="127.0.0.2", address=None, **options):
        clients.append(Client(address or daemon.address, source, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


_numbers = itertools.count(1)


@pytest.fixture
def recipient():
    """recipient(): an address of the real Postfix that no other test uses."""
    return lambda: f"r{os.getpid()}-{next(_numbers)}@{DOMAIN}"
