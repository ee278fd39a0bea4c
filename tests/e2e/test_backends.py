"""Several backends: the first that serves is used; another is tried, without the client's noticing,
as long as nothing of the client's was passed on; and one that does not serve is left alone until it
does."""

import os
import re
import socket
import time

import pytest

from harness.backend import CAPABILITIES
from harness.backend_dialogue import DROP, HALF, HANG, RESET, Say
from harness.client import Client
from harness.daemon import HOSTNAME, run_command
from harness.ports import free_port
from harness.wait import wait_until

CONTENT = b"Subject: x\r\n\r\nbody\r\n"
UNAVAILABLE = f"421 4.3.2 {HOSTNAME} Service currently unavailable"
TIMES = {"gatepost_backend_timeout": "20s", "gatepost_backend_connect_timeout": "1s"}


@pytest.fixture
def backends(make_backend, directory):
    """Three of them: two over TCP, and between them one on a UNIX socket."""
    return [make_backend(), make_backend(path=os.path.join(directory, "backend")), make_backend()]


@pytest.fixture
def start(make_gatepost, connect):
    """start(backend..., **parameters): a daemon with one worker in front of them, which knows what
    the first one can that serves."""

    def make(*backends, **parameters):
        endpoints = ", ".join(getattr(one, "endpoint", one) for one in backends)
        daemon = make_gatepost(endpoints, **{"gatepost_workers": "1"} | TIMES | parameters)
        client = connect(daemon, "127.0.0.1")
        client.ehlo()
        client.quit()
        return daemon

    return make


def status(daemon):
    """What `gatepost status` says of each backend, in order, of the first listener."""
    text = run_command("-c", daemon.directory, "status").stdout
    return re.findall(r"^listener 127\.0\.0\.1:\d+, backend \S+: (.*)$", text, re.MULTILINE)


def deliver(daemon, source="127.0.0.2"):
    """A session with one message, which must be accepted."""
    with Client(daemon.address, source) as client:
        client.ehlo()
        client.deliver("r@gatepost.test", CONTENT)
        client.quit()


def counts(backends):
    """How many messages each has accepted."""
    return [len(backend.messages) for backend in backends]


def test_the_first_is_used(start, backends):
    daemon = start(*backends)
    for _ in range(3):
        deliver(daemon)
    assert counts(backends) == [3, 0, 0]
    assert not backends[1].sessions and not backends[2].sessions
    assert status(daemon) == ["serves"] * 3


def test_the_first_that_is_there(start, backends):
    """From the start: those that are not are not even asked for a client's sake."""
    backends[0].close()
    backends[1].close()
    daemon = start(*backends)
    deliver(daemon)
    assert counts(backends) == [0, 0, 1]
    assert all(re.fullmatch(r"cannot be connected to, for \d+ seconds", one)
               for one in status(daemon)[:2])
    assert "trying the next" not in daemon.log()


FAULTS = {
    "refused": (None, None, "cannot be connected to"),
    "drop": ("CONNECT", DROP, "does not greet"),
    "reset": ("CONNECT", RESET, "does not greet"),
    "half": ("CONNECT", HALF, "does not greet"),
    "hang": ("CONNECT", HANG, "does not greet"),
    "half a greeting": ("CONNECT", Say(b"220-wait\r\n", then=HANG), "does not greet"),
    "garbage": ("CONNECT", Say(b"garbage\r\n"), "does not greet"),
    "250": ("CONNECT", Say(b"250 hello\r\n"), "does not greet"),
    "EHLO drop": ("EHLO", DROP, "does not answer"),
    "EHLO hang": ("EHLO", HANG, "does not answer"),
    "EHLO garbage": ("EHLO", Say(b"25x\r\n"), "does not answer"),
    "EHLO 354": ("EHLO", Say(b"354 go\r\n"), "does not answer"),
    # These may mean the client; so they say nothing about the backend.
    "421": ("CONNECT", Say(b"421 4.3.2 Too busy\r\n", then=DROP), "serves"),
    "451": ("CONNECT", Say(b"451 4.3.0 Later\r\n"), "serves"),
    "554": ("CONNECT", Say(b"554 5.3.2 No service\r\n"), "serves"),
    "EHLO 421": ("EHLO", Say(b"421 4.3.2 Too busy\r\n"), "serves"),
    "EHLO 450": ("EHLO", Say(b"450 4.3.0 Later\r\n"), "serves"),
    "EHLO 502": ("EHLO", Say(b"502 5.5.2 PROXY?\r\n"), "serves"),
}


@pytest.mark.parametrize("fault", [pytest.param(fault, marks=[pytest.mark.slow] * ("ha" in fault))
                                   for fault in FAULTS])
def test_fault_before_the_mail(start, backends, fault):
    """The session with which it is found out goes on with the next; the one after that knows."""
    step, action, state = FAULTS[fault]
    daemon = start(*backends)
    if step and state == "serves":
        for address in ("127.0.0.2", "127.0.0.3"):
            backends[0].arm(step, action, client=address)
    elif step:
        backends[0].arm(step, action)
    else:
        backends[0].close()
    begun = time.monotonic()
    deliver(daemon, "127.0.0.2")
    assert time.monotonic() - begun < 10, "gatepost_backend_timeout instead of the shorter one"
    assert counts(backends) == [0, 1, 0]
    warnings = re.findall(r"^.*; trying the next, for unknown\[127\.0\.0\.2\]$", daemon.log(),
                          re.MULTILINE)
    assert len(warnings) == 1
    assert status(daemon)[0].startswith(state)
    deliver(daemon, "127.0.0.3")
    assert counts(backends) == [0, 2, 0]
    tried = [one for one in backends[0].sessions if one.proxy.client[0] == "127.0.0.3"]
    assert len(tried) == (1 if state == "serves" else 0)


def test_fault_before_the_mail_in_a_pipelined_group_over_tls(start, backends):
    backends[0].arm("EHLO", DROP, client="127.0.0.2")
    backends[1].arm("CONNECT", Say(b"421 4.3.2 Too busy\r\n"), client="127.0.0.2")
    daemon = start(*backends)
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.starttls()
        client.ehlo()
        client.send(b"MAIL FROM:<>\r\nRCPT TO:<r@gatepost.test>\r\nDATA\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 354]
        client.send(CONTENT + b".\r\nQUIT\r\n")
        assert [client.reply().code for _ in range(2)] == [250, 221]
    assert counts(backends) == [0, 0, 1]


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT", "END"])
def test_no_other_once_a_command_was_passed_on(start, backends, step):
    """It could have been carried out."""
    daemon = start(*backends)
    backends[0].arm(step, DROP, client="127.0.0.2")
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.send(b"MAIL FROM:<>\r\nRCPT TO:<r@gatepost.test>\r\nDATA\r\n")
        codes = []
        while not codes or codes[-1] == 250:
            codes.append(client.reply().code)
        if codes[-1] == 354:
            client.send(CONTENT + b".\r\n")
            codes.append(client.reply().code)
        assert codes[-1] == 421
        assert client.rest() == b""
    assert counts(backends) == [0, 0, 0]
    assert not backends[1].sessions and not backends[2].sessions


def test_a_backend_that_comes_back(start, backends):
    """It is used again, and nobody's mail is needed to find that out."""
    daemon = start(*backends)
    backends[0].close()
    deliver(daemon)
    assert counts(backends) == [0, 1, 0]
    backends[0].open()
    daemon.wait_log(r"backend \S+: serves again")
    assert status(daemon) == ["serves"] * 3
    deliver(daemon)
    assert counts(backends) == [1, 1, 0]


def test_one_worker_finds_out_for_all(make_gatepost, backends):
    """However many sessions: as many as there are workers may meet a dead backend, not more."""
    daemon = make_gatepost(f"{backends[0].endpoint} {backends[1].endpoint}", gatepost_workers="2",
                           **TIMES)
    with Client(daemon.address) as client:
        client.ehlo()
    backends[0].arm("CONNECT", DROP)
    for _ in range(12):
        deliver(daemon)
    assert counts(backends) == [0, 12, 0]
    assert len(backends[0].sessions) <= 1  # none, if the other worker's first question was it
    assert daemon.log().count("trying the next") <= 1


def test_all_are_down(start, backends):
    """Each is tried all the same, since the marks may be old; then the sender keeps the mail."""
    daemon = start(*backends)
    for backend in backends:
        backend.close()
    for _ in range(2):
        with Client(daemon.address, "127.0.0.2") as client:
            client.ehlo()
            assert client.command("MAIL FROM:<>").text == UNAVAILABLE
            assert client.rest() == b""
    refused = r"warning: backend \S+: [^;]* while connecting, for"
    wait_until(lambda: len(re.findall(refused, daemon.log())) == 2, "both to be refused")
    assert daemon.log().count("; trying the next, for") == 4
    backends[2].open()
    deliver(daemon)
    assert counts(backends) == [0, 0, 1]


@pytest.mark.parametrize("first,second,heard", [
    (Say(b"554 5.7.1 Not you\r\n"), Say(b"554 5.7.1 Nor me\r\n"), "554 5.7.1 Nor me"),
    (Say(b"554 5.7.1 Not you\r\n"), Say(b"451 4.3.0 Later\r\n"), "451 4.3.0 Later"),
    (Say(b"451 4.3.0 Later\r\n"), Say(b"554 5.7.1 No\r\n"), UNAVAILABLE),
    (DROP, Say(b"554 5.3.2 No service\r\n"), UNAVAILABLE),
    (Say(b"554 5.3.2 No service\r\n"), DROP, UNAVAILABLE),
    (DROP, Say(b"421 4.3.2 Too busy\r\n"), "421 4.3.2 Too busy"),
])
def test_none_takes_the_session(start, backends, first, second, heard):
    """A 5xx is only final if no backend failed for another reason."""
    daemon = start(*backends[:2])
    backends[0].arm("CONNECT", first, client="127.0.0.2")
    backends[1].arm("CONNECT", second, client="127.0.0.2")
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        assert client.command("MAIL FROM:<>").text == heard
        if not heard.startswith("421"):
            assert client.command("RCPT TO:<r@gatepost.test>").code == 421
        assert client.rest() == b""
    deliver(daemon, "127.0.0.3")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["inet", "unix"])
def test_connecting_hangs(start, backends, directory, kind):
    """Its queue of connections is full: after gatepost_backend_connect_timeout the next is tried."""
    fillers = []
    with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as listener:
        listener.bind(os.path.join(directory, "full") if kind == "unix" else ("127.0.0.1", 0))
        os.chmod(directory, 0o777)
        if kind == "unix":
            os.chmod(os.path.join(directory, "full"), 0o777)
        listener.listen(0)
        for _ in range(4):
            fillers.append(socket.socket(listener.family))
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(listener.getsockname())
        name = f"unix:{directory}/full" if kind == "unix" else \
            f"inet:127.0.0.1:{listener.getsockname()[1]}"
        daemon = start(name, backends[2])
        deliver(daemon)
        assert len(backends[2].messages) == 1
        daemon.wait_log(r"backend \S+: cannot connect: Connection timed out")
        for filler in fillers:
            filler.close()


def test_full_queue_of_a_unix_socket_that_empties(start, backends, directory):
    """Connecting waits for it, as it does over TCP."""
    path = os.path.join(directory, "full")
    daemon = start(backends[1], gatepost_backend_connect_timeout="20s")
    backends[1].close()
    with socket.socket(socket.AF_UNIX) as listener:
        os.unlink(backends[1].path)
        listener.bind(path)
        os.chmod(path, 0o777)
        os.rename(path, backends[1].path)
        listener.listen(0)
        fillers = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(backends[1].path)
        with Client(daemon.address, "127.0.0.2") as client:
            client.ehlo()
            client.send(b"MAIL FROM:<>\r\n")
            client.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.reply()
            client.socket.settimeout(30)
            listener.listen(10)
            listener.settimeout(20)
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(0.5)  # the fillers say nothing
                    try:
                        if connection.recv(16, socket.MSG_PEEK):
                            connection.sendall(b"421 4.3.2 it is me\r\n")
                            break
                    except TimeoutError:
                        pass
            assert client.reply().text == "421 4.3.2 it is me"
        for filler in fillers:
            filler.close()


def test_names_with_several_addresses(start, backends):
    """localhost is ::1 too, where nobody listens."""
    port = backends[0].endpoint.rpartition(":")[2]
    daemon = start(f"inet:localhost:{port}")
    deliver(daemon)
    assert len(backends[0].messages) == 1


def test_handoff_that_one_lacks(start, make_backend):
    """The backend that cannot be told who the client is is not used; the other is."""
    lacking, good = make_backend("none"), make_backend("xclient")
    daemon = start(lacking, good, gatepost_backend_protocol="xclient")
    deliver(daemon)
    assert [len(lacking.messages), len(good.messages)] == [0, 1]
    assert status(daemon)[0].startswith("cannot be told the client's address")


def test_reload_begins_anew(start, backends):
    daemon = start(*backends[:2])
    backends[0].close()
    deliver(daemon)
    daemon.write_config(gatepost_backend=f"{backends[2].endpoint}, {backends[1].endpoint}")
    daemon.reload()
    with Client(daemon.address) as client:
        client.ehlo()
    assert status(daemon) == ["serves"] * 2
    deliver(daemon)
    assert counts(backends) == [0, 1, 1]


def test_check(make_gatepost, backends):
    """One that is down is a warning if another serves."""
    daemon = make_gatepost(" ".join(one.endpoint for one in backends), start=False)
    assert run_command("-c", daemon.directory, "check").returncode == 0
    backends[0].close()
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode == 0
    assert re.search(rf"warning: gatepost_backend = {backends[0].endpoint}: .*Connection refused",
                     result.stdout + result.stderr)
    backends[1].close()
    backends[2].close()
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode == 1
    assert len(re.findall("error: gatepost_backend = .*", result.stdout + result.stderr)) == 3


@pytest.mark.parametrize("value,complaint", [
    ("inet:127.0.0.1:25, nowhere:x:y", "nowhere:x:y"),
    ("unix:relative, inet:127.0.0.1:25", "a socket's path begins with /"),
    (" ".join(f"inet:127.0.0.1:{port}" for port in range(25, 58)), "more than 32 addresses"),
    (",", "no backend"),
])
def test_bad_lists(make_gatepost, value, complaint):
    daemon = make_gatepost(value, start=False)
    result = run_command("-c", daemon.directory, "check")
    assert result.returncode in (1, 78)
    assert complaint in result.stdout + result.stderr


# What EHLO promises before a backend is in use.

LESS = tuple(line for line in CAPABILITIES
             if line.split()[0] not in ("CHUNKING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8"))


def test_promises_are_those_of_the_backend_in_use(start, make_backend):
    less, more = make_backend(capabilities=LESS), make_backend()
    daemon = start(less, more)
    with Client(daemon.address) as client:
        assert "CHUNKING" not in client.ehlo()
    less.close()
    deliver(daemon)
    with Client(daemon.address) as client:
        assert {"CHUNKING", "DSN"} <= client.ehlo()
    less.open()
    daemon.wait_log("serves again")
    with Client(daemon.address) as client:
        assert "CHUNKING" not in client.ehlo()


@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("commands,keyword", [
    ([b"MAIL FROM:<a@b.example> SIZE=100\r\n"], "SIZE"),
    ([b"MAIL FROM:<a@b.example> BODY=8BITMIME\r\n"], "8BITMIME"),
    ([b"MAIL FROM:<a@b.example> smtputf8\r\n"], "SMTPUTF8"),
    ([b"MAIL FROM:<a@b.example> RET=HDRS\r\n"], "DSN"),
    ([b"MAIL FROM:<\"a> b\"@b.example> ENVID=x\r\n"], "DSN"),
    ([b"MAIL FROM:<>\r\n", b"RCPT TO:<r@gatepost.test> NOTIFY=NEVER\r\n"], "DSN"),
    ([b"MAIL FROM:<>\r\n", b"RCPT TO:<r@gatepost.test>\r\n", b"BDAT 6 LAST\r\nQUIT\r\n"],
     "CHUNKING"),
])
def test_promise_that_is_not_kept(start, make_backend, commands, keyword, pipelined):
    """What the backend of this session does not have any more ends it with 421. Its own 5xx would
    make the mail bounce; and a chunk would be read as commands."""
    backend = make_backend()
    daemon = start(backend)
    with Client(daemon.address, "127.0.0.2") as client:
        assert any(line.startswith(keyword) for line in client.ehlo())
        backend.capabilities = LESS
        if pipelined:
            client.send(b"".join(commands))
        for command in commands[:-1]:
            if not pipelined:
                client.send(command)
            assert client.reply().code == 250
        if not pipelined:
            client.send(commands[-1])
        assert client.reply().text == UNAVAILABLE
        assert client.rest() == b""
    session, = backend.wait_sessions(1)
    verb = commands[-1].split()[0]
    assert not [one for one in session.commands if one.startswith((verb, b"QUIT\r"))]
    daemon.wait_log(f"does not offer {keyword}, which the client was promised and uses, for")
    with Client(daemon.address, "127.0.0.2") as client:  # who now knows
        assert not any(line.startswith(keyword) for line in client.ehlo())
        client.deliver("r@gatepost.test", CONTENT)


def test_promises_that_nobody_uses(start, make_backend):
    """Nothing is wrong then. PIPELINING is gatepost's own affair."""
    backend = make_backend()
    daemon = start(backend)
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        backend.capabilities = ("VRFY",)
        client.send(b"MAIL FROM:<SIZE=1@x.example>\r\nRCPT TO:<NOTIFY=x@gatepost.test>\r\nDATA\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 354]
        client.send(CONTENT + b".\r\n")
        assert client.reply().code == 250
    assert len(backend.messages) == 1


def test_new_promise(start, make_backend):
    """What the client was not told it cannot use: BDAT is refused as ever."""
    backend = make_backend(capabilities=LESS)
    daemon = start(backend)
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.envelope("r@gatepost.test")
        client.send(b"BDAT 6 LAST\r\nQUIT\r\n")
        assert client.reply().code == 521


def test_no_port_is_left_out(start, backends):
    """A daemon whose first backend was never there."""
    daemon = start(f"inet:127.0.0.1:{free_port()}", backends[0])
    deliver(daemon)
    wait_until(lambda: len(backends[0].messages) == 1, "the message")
