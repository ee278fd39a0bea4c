"""Certificates that are renewed on disk are picked up, and nothing else is with them."""

import os
import re
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from harness import pki
from harness.client import Client, tls_context
from harness.daemon import HOSTNAME, run_command
from harness.wait import wait_until

IN_FORCE = "gatepost/master.*: the new certificates are in force"
UNUSABLE = "cannot use the certificates on disk: the old ones stay in force"


class Live:
    """certbot's directories: live/NAME are links into archive, which only root may enter. What
    current/NAME is depends on where the link current leads."""

    def __init__(self, directory):
        self.root, self.number = os.path.join(directory, "letsencrypt"), 0
        for name in ("", "archive", "live"):
            os.mkdir(os.path.join(self.root, name), 0o700)
        self.issued = None
        self.renew()

    def path(self, name):
        return os.path.join(self.root, name)

    def _link(self, target, name):
        os.symlink(target, self.path("link.new"))
        os.rename(self.path("link.new"), self.path(name))

    def issue(self):
        """The next certificate, in archive only."""
        self.number += 1
        self.issued = pki.self_signed(HOSTNAME)
        pki.write(self.path("archive"), f"privkey{self.number}.pem", self.issued.key_pem)
        pki.write(self.path("archive"), f"fullchain{self.number}.pem", self.issued.chain)

    def renew(self):
        """As certbot does it."""
        self.issue()
        for name in ("privkey", "fullchain"):
            self._link(f"../archive/{name}{self.number}.pem", f"live/{name}.pem")

    def rename_over(self):
        """A file takes the place of another."""
        self.issue()
        for name in ("privkey", "fullchain"):
            os.rename(self.path(f"archive/{name}{self.number}.pem"), self.path(f"live/{name}.pem"))

    def write_in_place(self):
        """The same file with other contents."""
        self.issued = pki.self_signed(HOSTNAME)
        for name, text in (("privkey", self.issued.key_pem), ("fullchain", self.issued.chain)):
            pki.write(self.path("live"), f"{name}.pem", text)

    def replace_directory(self):
        """A link instead of the directory, to another one."""
        self.renew()
        os.rename(self.path("live"), self.path(f"live{self.number}"))
        os.mkdir(self.path("live"), 0o700)
        self.renew()
        os.rename(self.path("live"), self.path(f"live{self.number}"))
        self._link(f"live{self.number}", "live")


@pytest.fixture(name="live")
def make_live(directory):
    """Where certificates are."""
    return Live(directory)


@pytest.fixture(name="daemon")
def make_daemon(make_gatepost, backend, live):
    return make_gatepost(backend.endpoint, smtpd_tls_cert_file=live.path("live/fullchain.pem"),
                         smtpd_tls_key_file=live.path("live/privkey.pem"))


def presented(daemon, context=None):
    """The certificate that a client sees."""
    with Client(daemon.address, "127.0.0.3") as client:
        client.ehlo()
        client.starttls(context)
        certificate = client.socket.getpeercert(True)
        client.ehlo()
        client.quit()
        return certificate


def wait_picked_up(daemon, live):
    """Until every worker has it: old ones may still take a client until they hear that they leave."""
    wait_until(lambda: presented(daemon) == live.issued.der, "the new certificate")
    wait_until(lambda: len(daemon.children()) == 4, "the old processes' end")
    assert presented(daemon) == live.issued.der


@pytest.mark.slow
def test_renewed_by_certbot(daemon, live, connect):
    """Sessions go on; the status tells when."""
    held, before = connect(daemon), live.issued.der
    held.ehlo()
    assert presented(daemon) == before
    live.renew()
    wait_until(lambda: presented(daemon) == live.issued.der, "the new certificate")
    held.starttls()
    assert held.socket.getpeercert(True) == before
    held.ehlo()
    held.deliver("r@gatepost.test", b"Subject: x\r\n")
    held.quit()
    log = daemon.log()
    assert re.search(r"letsencrypt/live/\w+\.pem has changed: reading certificates anew\n", log)
    assert re.search(IN_FORCE, log) and "reload --" not in log
    wait_until(lambda: len(daemon.children()) == 4, "the old processes' end")
    status = run_command("-c", daemon.directory, "status").stdout
    assert re.search(r"^keys \d+: serving, certificates read \d{4}-", status, re.M), status


@pytest.mark.slow
@pytest.mark.parametrize("how", [Live.rename_over, Live.write_in_place, Live.replace_directory])
def test_ways_to_renew(daemon, live, how):
    """Twice each: what is looked at is what was put there."""
    for _ in range(2):
        if how is Live.replace_directory and os.path.islink(live.path("live")):
            live.renew()
        else:
            how(live)
        wait_picked_up(daemon, live)


@pytest.mark.slow
def test_half_edited_configuration(make_gatepost, backend, live):
    """Renewal is no reason to take into force what somebody is still writing: gatepost.cf and the
    tables that it names are as they were when they were loaded."""
    other = pki.self_signed("other.test")
    chain = pki.write(live.root, "other.pem", other.chain_file)
    daemon = make_gatepost(backend.endpoint, start=False,
                           smtpd_tls_cert_file=live.path("live/fullchain.pem"),
                           smtpd_tls_key_file=live.path("live/privkey.pem"))
    table, names = daemon.path("table"), daemon.path("names")
    pki.write(daemon.directory, "table", b"127.0.0.9 reject\n")
    pki.write(daemon.directory, "names", f"front.gatepost.test {chain}\n".encode())
    daemon.write_config(smtpd_tls_policy_maps=f"cidr:{table}", smtpd_banner="as loaded",
                        tls_server_sni_maps=f"texthash:{names}")
    daemon.start()
    pki.write(daemon.directory, "table", b"127.0.0.0/8 rej")
    pki.write(daemon.directory, "names", b"front.gate")
    with open(daemon.path("gatepost.cf"), "w", encoding="ascii") as file:
        file.write("smtpd_banner = not finished\nsmtpd_tls_security_level = nonsense\n")
    other = pki.self_signed("other.test")
    pki.write(live.root, "other.pem", other.chain_file)
    wait_until(lambda: presented(daemon) == other.der, "the new certificate for the name")
    wait_until(lambda: len(daemon.children()) == 4, "the old processes' end")
    with Client(daemon.address, "127.0.0.2") as client:
        assert client.greeting.text == "220 as loaded"
    with Client(daemon.address, "127.0.0.9") as client:
        assert client.greeting.code == 421
    assert "error" not in daemon.log()


@pytest.mark.slow
def test_in_two_steps(daemon, live):
    """The key comes much later than its certificate: until then the old ones serve. Said once."""
    before, first_key = live.issued.der, live.path("archive/privkey1.pem")
    issued = pki.self_signed(HOSTNAME)
    pki.write(live.path("live"), "fullchain.pem", issued.chain)
    daemon.wait_log(UNUSABLE)
    assert re.search(r"keys\[\d+\]: error: .*the private key does not match", daemon.log())
    assert presented(daemon) == before
    # It is not tried again until something changes, and then is: here, a key that is no better.
    pki.write(live.path("live"), "privkey.pem", pki.self_signed(HOSTNAME).key_pem)
    wait_until(lambda: daemon.log().count(UNUSABLE) == 2, "the second try")
    assert presented(daemon) == before
    pki.write(live.path("archive"), "privkey1.pem", issued.key_pem)
    assert os.path.samefile(first_key, live.path("live/privkey.pem"))
    wait_until(lambda: presented(daemon) == issued.der, "the new certificate")
    assert daemon.log().count(UNUSABLE) == 2 and daemon.log().count("has changed: reading") == 3


@pytest.mark.slow
def test_gone_for_a_while(daemon, live):
    """Whoever makes room first."""
    before = live.issued.der
    os.rename(live.path("live"), live.path("aside"))
    daemon.wait_log(UNUSABLE)
    assert presented(daemon) == before
    os.mkdir(live.path("live"), 0o700)
    live.renew()
    wait_picked_up(daemon, live)


@pytest.mark.slow
def test_only_if_wanted(daemon, make_gatepost, backend, live):
    """One that watches, and one that does not."""
    unmoved = make_gatepost(backend.endpoint, gatepost_watch_certificates="no",
                            smtpd_tls_cert_file=live.path("live/fullchain.pem"),
                            smtpd_tls_key_file=live.path("live/privkey.pem"))
    before = live.issued.der
    live.renew()
    wait_picked_up(daemon, live)
    live.renew()
    wait_picked_up(daemon, live)  # by now the other one has had the time for the first
    assert presented(unmoved) == before and "has changed" not in unmoved.log()
    unmoved.reload()
    assert presented(unmoved) == live.issued.der


@pytest.mark.slow
def test_authorities(make_gatepost, backend, live):
    """Those of client certificates are picked up too."""
    first, second = pki.Authority("first"), pki.Authority("second")
    path = pki.write(live.root, "ca.pem", first.pem)
    issued = second.issue("client.example", usage="client")
    context = tls_context()
    context.load_cert_chain(pki.write(live.root, "client.pem", issued.chain_file))
    daemon = make_gatepost(backend.endpoint, smtpd_tls_ask_ccert="yes", smtpd_tls_CAfile=path)
    presented(daemon, context)
    daemon.wait_log("Untrusted TLS connection established from")
    pki.write(live.root, "ca.pem", first.pem, second.pem)
    daemon.wait_log(IN_FORCE)

    def trusted():
        presented(daemon, context)
        return "Trusted TLS connection established from" in daemon.log()

    wait_until(trusted, "a client that is trusted")


def ocsp_response(issued):
    """What a responder says of a certificate that signs itself."""
    return ocsp.OCSPResponseBuilder().add_response(
        issued.certificate, issued.certificate, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD,
        pki.NOW, pki.NOW + 7 * pki.DAY, None, None).responder_id(
            ocsp.OCSPResponderEncoding.HASH, issued.certificate).sign(
                issued.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.slow
def test_ocsp_response(make_gatepost, backend, live):
    """One that was not there before; and then the next."""
    daemon = make_gatepost(backend.endpoint, gatepost_ocsp_suffix=".ocsp",
                           smtpd_tls_cert_file=live.path("live/fullchain.pem"),
                           smtpd_tls_key_file=live.path("live/privkey.pem"))

    def stapled():
        result = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-starttls", "smtp",
             "-status"], input=b"QUIT\r\n", capture_output=True, timeout=60, check=False)
        return b"OCSP Response Status: successful" in result.stdout

    assert not stapled()
    pki.write(live.path("live"), "fullchain.pem.ocsp", b"not yet complete")
    daemon.wait_log(r"fullchain\.pem\.ocsp: cannot be stapled")
    pki.write(live.path("live"), "fullchain.pem.ocsp", ocsp_response(live.issued))
    wait_until(stapled, "the response")


@pytest.mark.slow
def test_unprivileged(make_gatepost, backend, directory):
    """A daemon that was not started as root sees what it can read."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    daemon = make_gatepost(backend.endpoint, start=False)
    nobody = 65534
    os.chown(daemon.directory, nobody, nobody)
    for name in ("empty", "state"):
        os.chown(daemon.path(name), nobody, nobody)

    def renew():
        issued = pki.self_signed(HOSTNAME)
        path = pki.write(daemon.directory, "chain.new", issued.chain_file)
        os.chown(path, nobody, nobody)
        os.rename(path, daemon.path("chain.pem"))
        return issued.der

    before = renew()
    for name in ("smtpd_tls_cert_file", "smtpd_tls_key_file", "gatepost_user",
                 "gatepost_chroot_directory"):
        del daemon.parameters[name]
    daemon.write_config(smtpd_tls_chain_files=daemon.path("chain.pem"))
    daemon.launcher = ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups",
                       "--no-new-privs"]
    daemon.start()
    assert presented(daemon) == before
    renewed = renew()
    wait_until(lambda: presented(daemon) == renewed, "the new certificate")
