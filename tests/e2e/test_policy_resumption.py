"""A session that was made under one policy is never resumed under another."""

import os
import ssl

import pytest

from harness import pki
from harness.client import Client, tls_context
from harness.daemon import HOSTNAME
from harness.table import use_table

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
LAX = "127.0.0.2"
TWIN = "127.0.0.3"  # another line that says the same


@pytest.fixture(name="client_certificate", scope="module")
def make_client_certificate():
    """A certificate for a client."""
    return pki.self_signed("client.example", usage="client")


def resume(daemon, source, context, session=None):
    """A TLS session; (reused, ticket, reply to NOOP)."""
    with Client(daemon.address, source) as client:
        client.ehlo()
        client.expect(220, "STARTTLS")
        client.socket = context.wrap_socket(client.socket, server_hostname=HOSTNAME,
                                            session=session)
        reply = client.command("NOOP")
        return client.socket.session_reused, client.socket.session, reply


def serve(make_gatepost, endpoint, lines, **parameters):
    """A running daemon with that table and one worker."""
    daemon = make_gatepost(endpoint, start=False, gatepost_workers="1", **parameters)
    return use_table(daemon, lines).start()


STRICTER = {"protocols": ("encrypt protocols=>=TLSv1.1", "encrypt protocols=>=TLSv1.2"),
            "suites": ("encrypt", "encrypt exclude=CHACHA20"),
            "cipher list": ("encrypt cipherlist=ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE+AES128",
                            "encrypt cipherlist=ECDHE-ECDSA-AES256-GCM-SHA384"),
            "curves": ("encrypt curves=X25519:secp384r1", "encrypt curves=X25519"),
            "asks for a certificate": ("encrypt", "encrypt ccert=ask")}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", STRICTER)
def test_policies_do_not_share_sessions(make_gatepost, backend, name, version):
    lax, strict = STRICTER[name]
    daemon = serve(make_gatepost, backend.endpoint,
                   [f"{LAX} {lax}", f"{TWIN} {lax} note=twin", f"127.0.0.4 {strict}"])
    context = tls_context(version, version)
    reused, session, reply = resume(daemon, LAX, context)
    assert not reused and session.has_ticket and reply.code == 250
    assert resume(daemon, LAX, context, session)[0]
    assert resume(daemon, TWIN, context, session)[0]
    assert not resume(daemon, "127.0.0.4", context, session)[0]
    assert not resume(daemon, "127.0.0.5", context, session)[0]  # the main configuration
    strict_session = resume(daemon, "127.0.0.4", context)[1]
    assert resume(daemon, "127.0.0.4", context, strict_session)[0]
    assert not resume(daemon, LAX, context, strict_session)[0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("lax", ["may", "may ccert=ask"])
def test_no_way_around_a_required_certificate(make_gatepost, backend, client_certificate, directory,
                                              lax, version):
    fingerprint = client_certificate.fingerprint
    daemon = serve(make_gatepost, backend.endpoint,
                   [f"{LAX} {lax}", f"{TWIN} encrypt match={fingerprint}"])
    context = tls_context(version, version)
    _, session, reply = resume(daemon, LAX, context)
    assert reply.code == 250
    reused, _, reply = resume(daemon, TWIN, context, session)
    assert not reused
    assert reply.text == f"421 4.7.1 {HOSTNAME} Error: No client certificate presented"

    context.load_cert_chain(pki.write(directory, "client.pem", client_certificate.key_pem,
                                      client_certificate.pem))
    _, session, reply = resume(daemon, TWIN, context)
    assert reply.code == 250
    reused, _, reply = resume(daemon, TWIN, context, session)
    assert reused and reply.code == 250
    assert not resume(daemon, LAX, context, session)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_certificates_for_one_peer_are_not_for_another(make_gatepost, backend, directory,
                                                       client_certificate, version):
    """Two lines, each with its own fingerprint: the session of one peer is nothing to the other."""
    other = pki.self_signed("other.example", usage="client")
    daemon = serve(make_gatepost, backend.endpoint,
                   [f"{LAX} encrypt match={client_certificate.fingerprint}",
                    f"{TWIN} encrypt match={other.fingerprint}"])
    context = tls_context(version, version)
    context.load_cert_chain(pki.write(directory, "client.pem", client_certificate.key_pem,
                                      client_certificate.pem))
    _, session, reply = resume(daemon, LAX, context)
    assert reply.code == 250
    reused, _, reply = resume(daemon, TWIN, context, session)
    assert not reused
    assert reply.text == f"421 4.7.1 {HOSTNAME} Error: Client certificate not trusted"


def test_sessions_end_with_the_daemon(make_gatepost, backend):
    """The keys of tickets are in memory only."""
    daemon = serve(make_gatepost, backend.endpoint, [f"{LAX} may"])
    context = tls_context(VERSIONS[0], VERSIONS[0])
    session = resume(daemon, LAX, context)[1]
    assert resume(daemon, LAX, context, session)[0]
    daemon.stop()
    os.unlink(daemon.log_path)
    daemon.start()
    assert not resume(daemon, LAX, context, session)[0]
