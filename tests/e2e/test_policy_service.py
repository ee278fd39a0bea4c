"""gatepost_policy_service: a real Postfix asks what protects a session, and decides by it."""

import os
import shutil
import socket
import ssl

import pytest

from harness import pki
from harness.client import tls_context
from harness.daemon import HOSTNAME, run_command
from harness.headers import split_fields
from harness.ports import free_port
from harness.postfix import DOMAIN, PrivatePostfix
from harness.table import said, write_table
from harness.wait import DEADLINE, wait_until

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ENCRYPT = "450 4.7.1 <{0}>: Recipient address rejected: Session encryption is required"
CCERT = "450 4.7.1 <{0}>: Recipient address rejected: A client certificate is required"
UNTRUSTED = "450 4.7.1 <{0}>: Recipient address rejected: Client certificate not trusted"


class AskingPostfix(PrivatePostfix):
    """A Postfix whose smtpd processes ask gatepost, over TCP and over a UNIX-domain socket."""

    def __init__(self):
        super().__init__()
        self.policy = f"inet:127.0.0.1:{free_port()}"
        self.policy_unix = f"unix:{self.directory}/policy"
        self.ports = {name: free_port() for name in ("proxy", "xclient", "unix", "data")}

    def start_asking(self):
        """Starts it with these listeners."""
        def service(name, option, policy, where="recipient"):
            return (f"127.0.0.1:{self.ports[name]} inet n - n - - smtpd{option}"
                    f" -o {{ smtpd_{where}_restrictions = check_policy_service {policy} }}")
        proxy = " -o smtpd_upstream_proxy_protocol=haproxy"
        return self.start([service("proxy", proxy, self.policy),
                           service("xclient", " -o smtpd_authorized_xclient_hosts=127.0.0.1",
                                   self.policy),
                           service("data", proxy, self.policy, "data"),
                           service("unix", proxy, self.policy_unix)])

    def backend(self, name):
        """One of the listeners as gatepost_backend."""
        return f"inet:127.0.0.1:{self.ports[name]}"


@pytest.fixture(name="asking", scope="module")
def asking_postfix():
    instance = AskingPostfix()
    try:
        instance.start_asking()
        yield instance
    finally:
        instance.stop()
        shutil.rmtree(instance.directory, ignore_errors=True)


@pytest.fixture(name="pki_of", scope="module")
def make_pki():
    """Certificates by name."""
    root = pki.Authority("Root CA")
    return {"root": root, "trusted": root.issue("good.example", usage="client"),
            "unknown": pki.self_signed("unknown.example", usage="client"),
            "stranger": pki.self_signed("stranger.example", usage="client")}


@pytest.fixture(name="start")
def starter(make_gatepost, asking, directory, pki_of):
    """start(lines, how="proxy", ...): gatepost with these rules in front of that Postfix."""
    ca_file = pki.write(directory, "ca.pem", pki_of["root"].pem, mode=0o644)

    def start(lines, how="proxy", **parameters):
        daemon = make_gatepost(
            asking.backend(how), start=False, smtpd_tls_ask_ccert="yes", smtpd_tls_CAfile=ca_file,
            smtpd_tls_fingerprint_digest="sha256",
            gatepost_backend_protocol="xclient" if how == "xclient" else "proxy2",
            gatepost_policy_service=asking.policy_unix if how == "unix" else asking.policy)
        use_rules(daemon, lines, **parameters)
        return daemon.start()

    return start


def use_rules(daemon, lines, **parameters):
    """Makes these its rules."""
    maps = write_table(daemon, lines, "policy_service").replace("cidr:", "texthash:", 1)
    daemon.write_config(gatepost_policy_service_maps=maps, **parameters)


def context_of(directory, issued=None, version=None):
    """A client context, with a certificate."""
    context = tls_context(version, version)
    if issued:
        context.load_cert_chain(pki.write(directory, "client.pem", issued.key_pem, issued.chain))
    return context


def reply_to_rcpt(connect, daemon, recipient, context=None, sender="sender@client.example"):
    """What a recipient is answered, in cleartext or under TLS."""
    client = connect(daemon)
    client.ehlo()
    if context:
        client.starttls(context)
        client.ehlo()
    client.expect(250, f"MAIL FROM:<{sender}>")
    return client.command(f"RCPT TO:<{recipient}>").text


@pytest.mark.parametrize("how", ["proxy", "xclient", "unix"])
def test_recipient_that_demands_tls(start, connect, asking, recipient, how):
    """Rejected in cleartext, delivered under TLS; others are left alone."""
    strict, lax = recipient(), recipient()
    daemon = start([f"{strict} encrypt"], how)
    assert reply_to_rcpt(connect, daemon, strict) == ENCRYPT.format(strict)
    with connect(daemon) as client:
        client.ehlo()
        client.starttls()
        client.ehlo()
        client.deliver(strict, b"Subject: x\r\n\r\nbody\r\n")
        client.quit()
    asking.wait_mail(strict)
    assert reply_to_rcpt(connect, daemon, lax).startswith("250 ")
    assert "policy service:" not in daemon.log()


def test_tls_after_mail_in_cleartext(start, connect, recipient):
    """One connection of the client, two of the backend: each answer is about the present one."""
    strict = recipient()
    daemon = start([f"{DOMAIN} encrypt"])
    client = connect(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@client.example>")
    client.expect(450, f"RCPT TO:<{strict}>")
    client.expect(250, "RSET")
    client.starttls()
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@client.example>")
    client.expect(250, f"RCPT TO:<{strict}>")


@pytest.mark.parametrize("name, code", [(None, CCERT), ("trusted", None), ("unknown", UNTRUSTED)])
def test_trusted_certificate(start, connect, directory, pki_of, recipient, name, code):
    wanted = recipient()
    daemon = start([f"{wanted} ccert"])
    assert reply_to_rcpt(connect, daemon, wanted) == ENCRYPT.format(wanted)
    context = context_of(directory, name and pki_of[name])
    reply = reply_to_rcpt(connect, daemon, wanted, context)
    assert reply == code.format(wanted) if code else reply.startswith("250 ")


@pytest.mark.parametrize("kind", ["fingerprint", "key_fingerprint"])
def test_certificate_by_fingerprint(start, connect, directory, pki_of, recipient, kind):
    wanted = recipient()
    daemon = start([f"{wanted} ccert match={getattr(pki_of['unknown'], kind).lower()}"])
    for name, accepted in (("unknown", True), ("stranger", False), ("trusted", False)):
        reply = reply_to_rcpt(connect, daemon, wanted, context_of(directory, pki_of[name]))
        assert reply.startswith("250 ") if accepted else reply == UNTRUSTED.format(wanted)


def test_protocol_and_code(start, connect, directory, recipient):
    wanted = recipient()
    daemon = start([f"{wanted} encrypt protocols=>=TLSv1.3"], plaintext_reject_code="550")
    assert reply_to_rcpt(connect, daemon, wanted, context_of(directory, version=TLS12)) == \
        f"550 5.7.1 <{wanted}>: Recipient address rejected: Session encryption with TLSv1.3 is required"
    assert reply_to_rcpt(connect, daemon, wanted,
                         context_of(directory, version=TLS13)).startswith("250 ")


def test_sender_that_demands_tls(start, connect, recipient):
    to = recipient()
    daemon = start(["from:.corp.example encrypt", "from:open@sub.corp.example none"])
    for sender, accepted in (("boss@sub.corp.example", False), ("BOSS@Sub.CORP.example", False),
                             ("open@sub.corp.example", True), ("boss@corp.example", True)):
        reply = reply_to_rcpt(connect, daemon, to, None, sender)
        assert reply.startswith("250 ") if accepted else reply == ENCRYPT.format(to)
        assert reply_to_rcpt(connect, daemon, to, tls_context(), sender).startswith("250 ")


@pytest.mark.parametrize("encrypted", [True, False])
def test_header_is_prepended(start, connect, asking, directory, pki_of, recipient, encrypted):
    """Once, although there are two recipients: Postfix asks at DATA, where none is named."""
    one, other = recipient(), recipient()
    daemon = start(["* none prepend=X-Session", f"{DOMAIN} none"], "data")
    client = connect(daemon)
    client.ehlo()
    if encrypted:
        client.starttls(context_of(directory, pki_of["trusted"], TLS13))
        client.ehlo()
    client.envelope(one)
    client.expect(250, f"RCPT TO:<{other}>")
    client.expect(354, "DATA")
    client.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
    assert client.reply().code == 250
    fields = [field for field in split_fields(asking.wait_mail(other))[0]
              if field.startswith("X-Session:")]
    wanted = ("X-Session: tls=yes protocol=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 "
              f"ccert=trusted fingerprint={pki_of['trusted'].fingerprint}")
    assert [" ".join(field.split()) for field in fields] == \
        [wanted if encrypted else "X-Session: tls=no"]
    assert "policy service:" not in daemon.log()


def test_recipients_that_are_not_named(start, connect, recipient):
    """A rule that cannot be looked at there is a mistake in main.cf, which is told."""
    daemon = start([f"{DOMAIN} encrypt"], "data")
    client = connect(daemon)
    client.ehlo()
    client.envelope(recipient())
    client.expect(250, f"RCPT TO:<{recipient()}>")
    client.expect(354, "DATA")
    daemon.wait_log(r"warning: policy service: asked at DATA about 2 recipients that are not named: "
                    r"rules for recipients belong into smtpd_recipient_restrictions$")


# Without Postfix: a session that nobody knows, bad requests, reload


@pytest.fixture(name="alone")
def daemon_alone(make_gatepost, backend):
    """One that nobody asks but the test."""
    daemon = make_gatepost(backend.endpoint, start=False,
                           gatepost_policy_service=f"inet:127.0.0.1:{free_port()}")
    use_rules(daemon, ["strict.example encrypt", "from:<> encrypt"])
    return daemon.start()


def policy_socket(daemon):
    """A connection to its service."""
    port = int(daemon.parameters["gatepost_policy_service"].rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), DEADLINE)


def request(**attributes):
    """A request as Postfix makes it."""
    values = {"request": "smtpd_access_policy", "protocol_state": "RCPT", "sender": "a@b.example",
              "recipient": "r@strict.example", "client_address": "192.0.2.1",
              "client_port": "4711"} | attributes
    return "".join(f"{name}={value}\n" for name, value in values.items()).encode() + b"\n"


def ask(connection, data):
    """The answer, whole."""
    connection.sendall(data)
    answer = b""
    while not answer.endswith(b"\n\n"):
        piece = connection.recv(4096)
        assert piece, f"closed after {answer!r}"
        answer += piece
    return answer.decode().strip()


DEFER = "action=DEFER_IF_PERMIT 4.7.0 What protects this session is not known"


def test_unknown_session(alone):
    """Nothing is let pass that a rule is about; the rest is not gatepost's business."""
    with policy_socket(alone) as connection:
        assert ask(connection, request()) == DEFER
        assert ask(connection, request(client_address="", client_port="")) == DEFER
        assert ask(connection, request(sender="", recipient="x@lax.example")) == DEFER
        assert ask(connection, request(recipient="x@lax.example")) == "action=DUNNO"
    alone.wait_log(r"warning: policy service: no session of 192\.0\.2\.1 port 4711: deferring what "
                   r".*policy_service, line 1 demands of strict\.example$")


def test_session_is_known_while_the_backend_is_used(alone, backend, connect):
    """And forgotten afterwards, or when its worker dies."""
    client = connect(alone)
    host, port = client.socket.getsockname()
    client.ehlo()
    with policy_socket(alone) as connection:
        def answer():
            return ask(connection, request(client_address=host, client_port=str(port)))
        assert answer() == DEFER
        client.expect(250, "MAIL FROM:<a@b.example>")
        assert answer() == "action=450 4.7.1 Session encryption is required"
        client.close()
        wait_until(lambda: answer() == DEFER, "the end of the session")


def test_dead_worker(alone, backend, connect):
    client = connect(alone)
    host, port = client.socket.getsockname()
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@b.example>")
    data = request(client_address=host, client_port=str(port))
    def answer():
        try:
            with policy_socket(alone) as connection:
                return ask(connection, data)
        except (AssertionError, OSError):
            return None
    assert answer() == "action=450 4.7.1 Session encryption is required"
    for pid in alone.workers():
        os.kill(pid, 9)
    wait_until(lambda: answer() == DEFER, "the session to be forgotten")


@pytest.mark.parametrize("data, why", [
    (b"hello\n", "a line that is no name=value"), (b"\n", "no request=smtpd_access_policy"),
    (request(request="other"), "no request=smtpd_access_policy"),
    (request(client_port="65536"), "bad client_port"),
    (request(client_address="1.2.3"), "bad client_address"),
    (request(recipient="a\0b@strict.example"), "bad recipient"),
    (b"a=" + b"x" * 70000, "request too long")])
def test_bad_request(alone, data, why):
    """No answer, but the end: Postfix then defers."""
    with policy_socket(alone) as connection:
        try:
            connection.sendall(data)
            assert connection.recv(100) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass
    alone.wait_log(f"warning: policy service: bad request: {why}; hanging up$")


def test_requests_in_one_piece_and_in_many(alone):
    with policy_socket(alone) as connection:
        connection.sendall(request() + request(recipient="x@lax.example"))
        wanted = f"{DEFER}\n\naction=DUNNO\n\n".encode()
        got = b""
        while len(got) < len(wanted):
            got += connection.recv(4096)
        assert got == wanted
        data = request()
        for byte in data[:-1]:
            connection.sendall(bytes([byte]))
        assert ask(connection, data[-1:]) == DEFER


def test_reload(alone, connect):
    """Idle connections end, the next one hears the new rules; sessions from before stay known."""
    client = connect(alone)
    host, port = client.socket.getsockname()
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@b.example>")
    data = request(client_address=host, client_port=str(port), recipient="x@lax.example")
    with policy_socket(alone) as connection:
        assert ask(connection, data) == "action=DUNNO"
        use_rules(alone, ["lax.example encrypt"])
        result = run_command("-c", alone.directory, "reload")
        assert result.returncode == 0, result
        assert connection.recv(100) == b""
    def answer():  # an old worker may still take the first one
        with policy_socket(alone) as connection:
            return ask(connection, data)
    wait_until(lambda: answer() == "action=450 4.7.1 Session encryption is required",
               "the new rules")


@pytest.mark.parametrize("parameters, told", [
    ({"gatepost_policy_service": "inet:127.0.0.1"}, "gatepost_policy_service: \"inet:127.0.0.1\": "),
    ({"gatepost_policy_service_maps": "cidr:/x"}, "specify texthash:/path or inline:"),
    ({"gatepost_policy_service_maps": "inline:{ { a@b.example encypt } }"},
     'unknown demand "encypt": specify none, encrypt or ccert'),
    ({"gatepost_policy_service_maps": "inline:{ { a.example ccert }, { A.Example none } }"},
     "line 2: a.example is also in "),
    ({"gatepost_policy_service_maps": "inline:{ { a.example encrypt protocols=TLSv9 } }"},
     "protocols"),
    ({"gatepost_policy_service_maps": "inline:{ { a.example ccert match=AB:CD } }"}, "match=")])
def test_check_finds_mistakes(alone, parameters, told):
    alone.write_config(**parameters)
    result = run_command("-c", alone.directory, "check")
    assert result.returncode == 1 and told in said(result), said(result)


def test_check_without_the_service(make_gatepost, backend):
    """Rules that nobody asks for, and demands for certificates that nobody is asked for."""
    daemon = make_gatepost(backend.endpoint, start=False,
                           gatepost_policy_service_maps="inline:{ { a.example ccert } }")
    assert "gatepost_policy_service_maps is not used" in said(run_command("-c", daemon.directory,
                                                                          "check"))
    daemon.write_config(gatepost_policy_service="inet:127.0.0.1:9")
    assert "smtpd_tls_ask_ccert is no" in said(run_command("-c", daemon.directory, "check"))
