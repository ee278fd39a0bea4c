"""Limits and timeouts side by side: gatepost, and Postfix's smtpd with the same parameters, say the
same to a client and in the log."""

import os
import re
import shutil
import time

import pytest

from harness.client import Client, Closed, tls_context
from harness.ports import free_port
from harness.postfix import DOMAIN, PrivatePostfix
from harness.wait import read_text, wait_until

HOSTNAME = "mx.gatepost.test"
STRANGER = "127.0.0.2"
COMMON = {"myhostname": HOSTNAME, "smtpd_error_sleep_time": "0", "smtpd_timeout": "30s"}


class Caller:
    """Connects to one of the two and notes what it hears."""

    def __init__(self, address):
        self.address, self.heard, self.clients, self.waits = address, [], [], []

    def connect(self):
        client = Client(self.address, STRANGER, greeting=False)
        self.clients.append(client)
        self.hear(client)
        return client

    def hear(self, client):
        """One reply, or the end."""
        start = time.monotonic()
        try:
            self.heard.append(client.reply().text)
        except Closed:
            self.heard.append("closed")
        self.waits.append(time.monotonic() - start)

    def say(self, client, *lines):
        for line in lines:
            client.send(line.encode() + b"\r\n")
            self.hear(client)

    def rest(self, client):
        self.heard.append(client.rest().decode())

    def close(self):
        for client in self.clients:
            client.close()


def many_at_once(caller):
    for _ in range(4):
        caller.connect()


def many_in_a_row(caller):
    for _ in range(4):
        client = caller.connect()
        if caller.heard[-1].startswith("220"):
            caller.say(client, "QUIT")


def many_messages(caller):
    client = caller.connect()
    caller.say(client, "HELO client.example")
    for _ in range(4):
        caller.say(client, "MAIL FROM:<a@client.example>", "RSET")


def many_handshakes(caller):
    for allowed in (True, True, False):
        client = caller.connect()
        caller.say(client, "STARTTLS")
        client.handshake(tls_context())
        if allowed:
            caller.say(client, "NOOP")
        else:  # what is said now might cross the last words
            caller.hear(client)
    caller.say(caller.connect(), "STARTTLS")


def many_errors(caller):
    client = caller.connect()
    caller.say(client, *["RCPT TO:<x>"] * 3)
    caller.hear(client)
    caller.rest(client)


def junk(*lines):
    def send_junk(caller):
        client = caller.connect()
        caller.say(client, *lines)
        caller.hear(client)
        caller.rest(client)
    return send_junk


def junk_and_a_message(caller):
    client = caller.connect()
    caller.say(client, "HELO client.example", "NOOP", "NOOP", "RCPT TO:<x>",
               "MAIL FROM:<a@client.example>", f"RCPT TO:<r@{DOMAIN}>", "DATA")
    client.send(b"Subject: x\r\n\r\n.\r\n")
    client.reply()
    caller.say(client, "NOOP", "NOOP", "NOOP", "RCPT TO:<x>", "RCPT TO:<x>", "NOOP", "NOOP")
    caller.hear(client)


def slow_errors(caller):
    client = caller.connect()
    caller.say(client, "RCPT TO:<x>", "RCPT TO:<x>", "NOOP", "QUIT")


def silence(caller):
    caller.hear(caller.connect())


def silence_after(*lines):
    def fall_silent(caller):
        client = caller.connect()
        caller.say(client, *lines)
        caller.hear(client)
        caller.rest(client)
    return fall_silent


def silence_in_content(caller):
    client = caller.connect()
    caller.say(client, "HELO client.example", "MAIL FROM:<a@client.example>",
               f"RCPT TO:<r@{DOMAIN}>", "DATA")
    client.send(b"Subject: x\r\n")
    caller.hear(client)
    caller.rest(client)


def drip(*lines):
    """The last thing that is said comes byte by byte."""
    def say_slowly(caller):
        client = caller.connect()
        caller.say(client, *lines)
        client.socket.settimeout(0.2)
        start = time.monotonic()
        while time.monotonic() - start < 30:
            client.send(b"x")
            try:
                client.socket.recv(1, 2)
                break
            except TimeoutError:
                continue
        caller.waits.append(time.monotonic() - start)
        client.socket.settimeout(30)
        caller.heard.append(client.reply().text)
    return say_slowly


ENVELOPE = ("HELO client.example", "MAIL FROM:<a@client.example>", f"RCPT TO:<r@{DOMAIN}>")
# name: parameters, what the client does, how long its longest wait is
CASES = {
    "count": ({"smtpd_client_connection_count_limit": "2"}, many_at_once, 0),
    "rate": ({"smtpd_client_connection_rate_limit": "2"}, many_in_a_row, 0),
    "messages": ({"smtpd_client_message_rate_limit": "2"}, many_messages, 0),
    "tls": ({"smtpd_client_new_tls_session_rate_limit": "2", "smtpd_tls_security_level": "may"}, many_handshakes, 0),
    "errors": ({"smtpd_hard_error_limit": "3"}, many_errors, 0),
    "noop": ({"smtpd_junk_command_limit": "1", "smtpd_hard_error_limit": "2"},
             junk("NOOP", "NOOP", "NOOP", "NOOP"), 0),
    "junk": ({"smtpd_junk_command_limit": "2", "smtpd_hard_error_limit": "4"},
             junk("HELO a", "RSET", "EHLO", "HELO b", "HELO c", "RSET"), 0),
    "message": ({"smtpd_junk_command_limit": "3", "smtpd_hard_error_limit": "3"},
                junk_and_a_message, 0),
    "sleep": ({"smtpd_soft_error_limit": "2", "smtpd_error_sleep_time": "2s"}, slow_errors, 2),
    "silence": ({"smtpd_timeout": "2s"}, silence, 2),
    "helo": ({"smtpd_timeout": "2s"}, silence_after("HELO client.example"), 2),
    "rcpt": ({"smtpd_timeout": "2s"}, silence_after(*ENVELOPE), 2),
    "content": ({"smtpd_timeout": "2s"}, silence_in_content, 2),
    "drip": ({"smtpd_timeout": "2s", "smtpd_per_request_deadline": "yes"},
             drip("HELO client.example"), 2),
    "old name": ({"smtpd_timeout": "2s", "smtpd_per_record_deadline": "yes"},
                 drip("HELO client.example"), 2),
    "slow": ({"smtpd_timeout": "2s", "smtpd_per_request_deadline": "yes",
              "smtpd_min_data_rate": "100"}, drip(*ENVELOPE, "DATA"), 2),
}


@pytest.fixture(scope="module")
def peers(certificates):
    """A Postfix with a listener for each case; case to port, and its directory."""
    instance = PrivatePostfix()
    ports = {name: free_port() for name in CASES}
    services = ["tlsmgr unix - - n 1000? 1 tlsmgr"]
    for name, (parameters, _, _) in CASES.items():
        options = COMMON | parameters
        if "smtpd_tls_security_level" in options:
            options |= {"smtpd_tls_cert_file": certificates["ecdsa"].cert,
                        "smtpd_tls_key_file": certificates["ecdsa"].key}
        services.append(f"127.0.0.1:{ports[name]} inet n - n - - smtpd" +
                        "".join(f" -o {key}={value}" for key, value in options.items()))
    try:
        instance.start(services)
        yield ports, os.path.join(instance.directory, "maillog")
    finally:
        instance.stop()
        shutil.rmtree(instance.directory, ignore_errors=True)


def play(case, address, log):
    """What the client hears, what it waits, and what is logged."""
    start = len(read_text(log))
    caller = Caller(address)
    try:
        CASES[case][1](caller)
    finally:
        caller.close()

    def logged():
        return re.findall(r"^.*/smtpd\[\d+\]: (.*)$", read_text(log)[start:], re.M)

    wait_until(lambda: sum(line.startswith("disconnect from") for line in logged()) >=
               len(caller.clients), "the end of all sessions in the log")
    return caller.heard, max(caller.waits), sorted(filter(None, map(canonical, logged())))


def canonical(line):
    """A log line without what has to differ, or nothing."""
    if "TLS connection established" in line or "client=" in line:
        return ""
    line = re.sub(r"DATA \(\d+ bytes\)", "DATA (bytes)", line)  # of whole lines, or of all
    line = re.sub(r"127\.0\.0\.1:\d+", "PORT", line.removeprefix("NOQUEUE: "))
    return re.sub(r"^[0-9A-F]{6,}: ", "", line)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_agreement(peers, make_gatepost, postfix, case):
    ports, log = peers
    wanted, wait, lines = play(case, ("127.0.0.1", ports[case]), log)
    daemon = make_gatepost(postfix.proxy_endpoint, **(
        COMMON | {"mynetworks": "127.0.0.1/32", "smtpd_tls_loglevel": "0"} | CASES[case][0]))
    got, our_wait, our_lines = play(case, daemon.address, daemon.log_path)
    assert got == wanted
    assert our_lines == lines
    least = CASES[case][2]
    assert all(least - 0.1 < time < 15 + least for time in (wait, our_wait))
