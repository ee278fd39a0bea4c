"""What a client, and all of them together, may do: the same in whichever worker they are served."""

import os
import re
import signal
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.backend_dialogue import Say
from harness.client import Client, Closed, tls_context
from harness.daemon import HOSTNAME, run_command
from harness.wait import wait_until

TOO_MANY = f"421 4.7.0 {HOSTNAME} Error: too many connections from 127.0.0.2"
BUSY = f"421 4.3.2 {HOSTNAME} All server ports are busy"
TOO_MANY_ERRORS = f"421 4.7.0 {HOSTNAME} Error: too many errors"


@pytest.fixture
def strict(make_gatepost, backend):
    """strict(...): a daemon that exempts nobody but 127.0.0.9."""
    return lambda **parameters: make_gatepost(backend.endpoint, **(
        {"smtpd_client_event_limit_exceptions": "127.0.0.9"} | parameters))


def is_welcome(connect, daemon, source="127.0.0.2"):
    """Whether a new client, which then stays, is greeted."""
    return connect(daemon, source).greeting.code == 220


def open_sessions(daemon):
    """Sessions by worker, as `gatepost status` tells."""
    text = run_command("-c", daemon.directory, "status").stdout
    return {int(pid): int(number)
            for pid, number in re.findall(r"^worker (\d+): \w+, sessions open (\d+)", text, re.M)}


# At once


def test_connection_count(strict, connect):
    daemon = strict(smtpd_client_connection_count_limit="3")
    first, *_ = clients = [connect(daemon) for _ in range(3)]
    assert all(client.greeting.code == 220 for client in clients)
    late = connect(daemon)
    assert late.greeting.text == TOO_MANY and late.rest() == b""
    daemon.wait_log(r"warning: Connection concurrency limit exceeded: 4 from "
                    rf"unknown\[127\.0\.0\.2\] for service 127\.0\.0\.1:{daemon.port}$")
    assert is_welcome(connect, daemon, "127.0.0.3")
    first.quit()
    wait_until(lambda: is_welcome(connect, daemon), "the place of the one that left")
    assert not is_welcome(connect, daemon)


def test_connection_count_is_exact_for_clients_in_a_hurry(strict):
    """Two workers; nobody gets in besides, and no place is lost."""
    daemon = strict(smtpd_client_connection_count_limit="7")
    with ThreadPoolExecutor(20) as pool:
        for _ in range(3):
            clients = list(pool.map(lambda _: Client(daemon.address, "127.0.0.2"), range(60)))
            assert sum(client.greeting.code == 220 for client in clients) == 7
            for client in clients:
                client.close()
            wait_until(lambda: not sum(open_sessions(daemon).values()), "the end of all sessions")


def test_exempt_clients(strict, connect):
    daemon = strict(smtpd_client_connection_count_limit="1", smtpd_client_message_rate_limit="1",
                    smtpd_client_connection_rate_limit="1")
    clients = [connect(daemon, "127.0.0.9") for _ in range(3)]
    for client in clients:
        client.ehlo()
        client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")


def test_exceptions_are_mynetworks(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint, smtpd_client_connection_count_limit="1",
                           mynetworks="!127.0.0.2 127.0.0.0/8")
    assert all(is_welcome(connect, daemon, "127.0.0.3") for _ in range(3))
    assert is_welcome(connect, daemon) and not is_welcome(connect, daemon)


def test_networks_are_counted_together(strict, connect):
    daemon = strict(smtpd_client_connection_count_limit="1", smtpd_client_ipv4_prefix_length="24")
    assert is_welcome(connect, daemon, "127.0.0.2")
    assert not is_welcome(connect, daemon, "127.0.0.3")
    assert is_welcome(connect, daemon, "127.0.1.2")


def test_killed_worker_gives_its_connections_back(strict, connect):
    daemon = strict(smtpd_client_connection_count_limit="8", smtpd_client_connection_rate_limit="0")
    clients = [connect(daemon) for _ in range(8)]
    pid, lost = max(open_sessions(daemon).items(), key=lambda item: item[1])
    assert lost > 0
    os.kill(pid, signal.SIGKILL)
    daemon.wait_log(rf"process {pid} was killed by signal 9")
    wait_until(lambda: is_welcome(connect, daemon), "a place")
    assert [is_welcome(connect, daemon) for _ in range(lost)] == [True] * (lost - 1) + [False]
    assert len(clients) == 8


def test_reload_keeps_counts(strict, connect):
    daemon = strict(smtpd_client_connection_count_limit="2")
    first, _ = connect(daemon), connect(daemon)
    assert run_command("-c", daemon.directory, "reload").returncode == 0
    assert not is_welcome(connect, daemon)
    first.quit()
    wait_until(lambda: is_welcome(connect, daemon), "the place of the one that left")


def test_session_limit(strict, connect):
    daemon = strict(gatepost_session_limit="2")
    clients = [connect(daemon, "127.0.0.9"), connect(daemon)]
    late = connect(daemon, "127.0.0.9")
    assert late.greeting.text == BUSY and late.rest() == b""
    daemon.wait_log(r"warning: gatepost_session_limit reached: refusing unknown\[127\.0\.0\.9\]")
    clients[0].quit()
    wait_until(lambda: is_welcome(connect, daemon), "a place")


def test_clients_that_are_sent_away_count(strict, connect):
    """A connection is one, whatever it hears, until it is closed."""
    daemon = strict(gatepost_session_limit="1",
                    smtpd_tls_policy_maps="inline:{ { 127.0.0.3 reject } }")
    refused = connect(daemon, "127.0.0.3")
    assert refused.greeting.text == f"421 4.7.1 {HOSTNAME} Error: access denied"
    assert connect(daemon).greeting.text == BUSY
    refused.close()
    wait_until(lambda: is_welcome(connect, daemon), "its place")


def test_old_name_of_the_exceptions(make_gatepost, backend, connect):
    """As in Postfix: it switches the default off, and nothing else."""
    daemon = make_gatepost(backend.endpoint, smtpd_client_connection_count_limit="1",
                           smtpd_client_connection_limit_exceptions="127.0.0.0/8")
    assert is_welcome(connect, daemon) and not is_welcome(connect, daemon)
    daemon.wait_log("warning: .*: smtpd_client_connection_limit_exceptions = 127.0.0.0/8: the old "
                    "name of smtpd_client_event_limit_exceptions; ")
    result = run_command("-c", daemon.directory, "config", "smtpd_client_event_limit_exceptions")
    assert "$mynetworks" in result.stdout


def test_handshake_limit(strict, connect):
    daemon = strict(gatepost_handshake_limit="1")
    first, second = connect(daemon), connect(daemon)
    first.expect(220, "STARTTLS")
    assert second.command("STARTTLS").text == BUSY
    first.handshake()
    first.ehlo()
    connect(daemon).starttls()


# In a time unit


@pytest.mark.slow
def test_connection_rate(strict, connect):
    daemon = strict(smtpd_client_connection_rate_limit="2", anvil_rate_time_unit="3s")
    for _ in range(2):
        connect(daemon).quit()
    assert connect(daemon).greeting.text == TOO_MANY
    daemon.wait_log(r"warning: Connection rate limit exceeded: 3 from unknown\[127\.0\.0\.2\] "
                    r"for service ")
    assert is_welcome(connect, daemon, "127.0.0.3")
    wait_until(lambda: is_welcome(connect, daemon), "the next time unit")


def test_message_rate(strict, backend, connect):
    daemon = strict(smtpd_client_message_rate_limit="2")
    for _ in range(2):
        client = connect(daemon)
        client.ehlo()
        client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    reply = client.command("MAIL FROM:<>")
    assert reply.text == "450 4.7.1 Error: too much mail from 127.0.0.2"
    daemon.wait_log(r"warning: Message delivery request rate limit exceeded: 3 from "
                    r"unknown\[127\.0\.0\.2\] for service ")
    client.quit()
    assert len(backend.messages) == 2


def test_pipelined_mail_beyond_the_rate(strict, connect):
    daemon = strict(smtpd_client_message_rate_limit="1")
    client = connect(daemon)
    client.ehlo()
    client.send(b"RSET\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\nNOOP\r\n")
    codes = [client.reply().code for _ in range(5)]
    assert codes in ([250, 250, 250, 450, 250], [250, 250, 250, 250, 250])
    client.expect(250, "RSET")
    client.expect(450, "MAIL FROM:<>")


def test_tls_rate(strict, connect):
    daemon = strict(smtpd_client_new_tls_session_rate_limit="2")
    context = tls_context(maximum=ssl.TLSVersion.TLSv1_2)
    client = connect(daemon)
    client.starttls(context)
    session = client.socket.session
    for _ in range(3):
        client = connect(daemon)
        client.expect(220, "STARTTLS")
        client.socket = context.wrap_socket(client.socket, session=session)
        client.ehlo()
        assert client.socket.session_reused
    connect(daemon).starttls()
    late = connect(daemon)
    late.starttls()
    assert late.reply().text == (f"421 4.7.0 {HOSTNAME} Error: too many new TLS sessions from "
                                 "unknown[127.0.0.2]")
    daemon.wait_log(r"warning: New TLS session rate limit exceeded: 3 from "
                    r"unknown\[127\.0\.0\.2\] for service ")
    assert connect(daemon).command("STARTTLS").text == \
        "454 4.7.0 Error: too many new TLS sessions from unknown[127.0.0.2]"
    daemon.wait_log(r"warning: Refusing STARTTLS request from unknown\[127\.0\.0\.2\] for service ")


def test_failed_handshakes_count_in_wrapper_mode(strict, connect):
    daemon = strict(smtpd_client_new_tls_session_rate_limit="1", smtpd_tls_wrappermode="yes")
    for _ in range(2):
        client = connect(daemon, greeting=False)
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert b"220" not in client.rest()
    assert connect(daemon, greeting=False).rest() == b""
    daemon.wait_log(r"warning: Refusing TLS service request from unknown\[127\.0\.0\.2\] for "
                    r"service ")


# Errors


def test_hard_error_limit(strict, connect):
    daemon = strict(smtpd_hard_error_limit="3")
    client = connect(daemon, "127.0.0.9")
    for _ in range(3):
        client.expect(500, "XCLIENT ADDR=192.0.2.1")
    assert client.reply().text == TOO_MANY_ERRORS and client.rest() == b""
    daemon.wait_log(r"NOQUEUE: too many errors after XCLIENT from unknown\[127\.0\.0\.9\]")


def test_errors_of_the_backend_count(strict, backend, connect):
    backend.arm("RCPT", Say(b"550 5.1.1 unknown\r\n"))
    client = connect(strict(smtpd_hard_error_limit="2"))
    client.ehlo()
    client.send(b"MAIL FROM:<>\r\n" + b"RCPT TO:<x@gatepost.test>\r\n" * 2)
    assert [client.reply().code for _ in range(3)] == [250, 550, 550]
    assert client.reply().text == TOO_MANY_ERRORS


def test_message_makes_up_for_errors(strict, connect):
    client = connect(strict(smtpd_hard_error_limit="3"))
    client.ehlo()
    for _ in range(3):
        client.expect(500, "XFORWARD x")
        client.expect(500, "XFORWARD x")
        client.deliver("r@gatepost.test", b"Subject: x\r\n\r\n")
    client.quit()


@pytest.mark.parametrize("junk", ["NOOP", "RSET", "VRFY x", "HELO x"])
def test_junk_commands(strict, connect, junk):
    client = connect(strict(smtpd_junk_command_limit="2", smtpd_hard_error_limit="1"))
    for _ in range(4):
        assert client.command(junk).code < 300
    assert client.reply().text == TOO_MANY_ERRORS


def test_error_sleep(strict, connect):
    """Replies after the soft limit take their time; nobody else in the worker waits."""
    daemon = strict(smtpd_soft_error_limit="1", smtpd_error_sleep_time="2s", gatepost_workers="1")
    bad, good = connect(daemon), connect(daemon)
    begin = time.monotonic()
    bad.expect(500, "XCLIENT x")
    bad.send(b"RSET\r\n")
    for _ in range(20):
        good.expect(250, "NOOP")
    served = time.monotonic()
    assert bad.reply().code == 250
    assert served - begin < 1.9 < time.monotonic() - begin < 20
    good.quit()


def test_refused_client_without_tls(strict, connect):
    """In wrapper mode there is nothing that could be said."""
    daemon = strict(smtpd_client_connection_count_limit="1", smtpd_tls_wrappermode="yes")
    connect(daemon, greeting=False).handshake()
    late = connect(daemon, greeting=False)
    with pytest.raises(Closed):
        late.reply()
    daemon.wait_log("warning: Connection concurrency limit exceeded: 2 from ")
