"""gatepost import: the file it writes runs, and the commands it prints put a real Postfix behind
gatepost and bring it back."""

import os
import re
import shutil
import subprocess

import pytest

from harness.client import Client, greets
from harness.daemon import config_text, run_command
from harness.headers import split_delivered
from harness.ports import free_port
from harness.postfix import PostfixOnPort25
from harness.wait import read_text, wait_until

MASTER = "smtp inet n - y - - smtpd\n"


@pytest.fixture
def run_import(directory):
    """run_import(main.cf, master.cf): the completed command."""
    def run(main, master=MASTER):
        for name, text in (("main.cf", main), ("master.cf", master)):
            with open(os.path.join(directory, name), "w", encoding="ascii") as file:
                file.write(text)
        result = run_command("import", directory)
        assert sorted(os.listdir(directory)) == ["main.cf", "master.cf"]  # nothing else is written
        return result
    return run


def settings(output):
    """The settings of a gatepost.cf, without comments."""
    return dict(line.split(" = ", 1) for line in output.splitlines()
                if " = " in line and not line.startswith(("#", " ")))


def test_values_are_kept(run_import):
    result = run_import("myhostname = mx.example.com\nsmtpd_tls_security_level = encrypt\n"
                        "smtpd_tls_mandatory_protocols = >=TLSv1.2\n"
                        "smtpd_tls_cert_file = /etc/ssl/$myhostname.pem\n")
    assert result.returncode == 0, result
    found = settings(result.stdout)
    assert found["myhostname"] == "mx.example.com"
    assert found["smtpd_tls_security_level"] == "encrypt"
    assert found["smtpd_tls_mandatory_protocols"] == ">=TLSv1.2"
    assert found["smtpd_tls_cert_file"] == "/etc/ssl/$myhostname.pem"
    assert found["gatepost_backend"] == "inet:127.0.0.1:10025"


def test_old_spellings_of_the_level(run_import):
    for main, level in (("smtpd_use_tls = yes\n", "may"), ("smtpd_enforce_tls = yes\n", "encrypt"),
                        ("", "none")):
        assert settings(run_import(main).stdout)["smtpd_tls_security_level"] == level


def test_overrides_in_master_cf(run_import):
    output = run_import("smtpd_tls_security_level = may\n",
                        MASTER.rstrip() + "\n  -o smtpd_tls_security_level=encrypt\n").stdout
    assert settings(output)["smtpd_tls_security_level"] == "encrypt"


def test_misspelt_names(run_import):
    result = run_import("smtpd_tls_security_level = may\nsmtpd_tls_CApth = /etc/ssl/certs\n")
    assert result.returncode == 0
    assert 'did you mean "smtpd_tls_CApath"' in result.stderr and "line 2" in result.stderr


@pytest.mark.parametrize("line, message", [
    ("smtpd_relay_restrictions = permit_tls_clientcerts, reject", "permit_tls_clientcerts"),
    ("smtpd_recipient_restrictions = reject_plaintext_session", "reject_plaintext_session"),
    ("smtpd_recipient_restrictions = check_ccert_access hash:/etc/x", "check_ccert_access"),
    ("smtpd_milters = inet:127.0.0.1:8891", "{tls_version}"),
    ("smtpd_tls_received_header = yes", "Received-TLS:"),
    ("smtpd_sasl_tls_security_options = noanonymous", "smtpd_sasl_security_options")])
def test_what_postfix_loses(run_import, line, message):
    """Named if this main.cf uses it, and only then."""
    result = run_import(f"smtpd_tls_security_level = may\n{line}\n")
    lost = result.stdout.partition("does not see any more")[2]
    assert message in lost.partition("The commands that put")[0], lost
    lost = run_import("smtpd_tls_security_level = may\n").stdout.partition("does not see any more")[2]
    assert "nothing that its configuration makes use of" in lost


def test_postscreen(run_import):
    result = run_import("smtpd_tls_security_level = may\n",
                        "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"
                        "dnsblog unix - - y - 0 dnsblog\ntlsproxy unix - - y - 0 tlsproxy\n")
    assert result.returncode == 0, result
    commands = "\n".join(re.findall(r"^#\$ postconf .*", result.stdout, re.M))
    assert "127.0.0.1:10025 inet n - y - 1 postscreen -o postscreen_upstream_proxy_protocol=haproxy " \
        in commands
    assert "smtpd pass - - y - - smtpd -o smtpd_tls_security_level=none" in commands
    assert "-M# 'smtp/inet'" in commands


def test_weaker_than_asked_is_an_error(run_import):
    result = run_import("smtpd_tls_security_level = encrypt\nsmtpd_tls_mandatory_ciphers = null\n")
    assert result.returncode == 1
    assert "smtpd_tls_mandatory_ciphers" in result.stderr and "line 2" in result.stderr


@pytest.mark.parametrize("main, message", [("smtpd_tls_loglevel 1\n", "line 1: missing '='"),
                                           ("a = $b\nb = $a\nsmtpd_tls_ciphers = $a\n", "own value")])
def test_what_postfix_does_not_take(run_import, main, message):
    result = run_import(main)
    assert result.returncode == 1 and message in result.stderr, result
    assert "missing" not in message or result.stdout == ""


def test_missing_directory(directory):
    result = run_command("import", directory + "/missing")
    assert result.returncode == 1 and "missing" in result.stderr
    assert run_command("import").returncode == 64


@pytest.fixture
def server():
    """That Postfix."""
    instance = PostfixOnPort25()
    try:
        yield instance.start()
    finally:
        instance.stop()
        shutil.rmtree(instance.directory, ignore_errors=True)


def shell(command):
    """Runs a line that import printed."""
    environment = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    subprocess.run(["sh", "-ec", command], check=True, capture_output=True, env=environment)


@pytest.mark.slow
def test_switch_over_and_back(server, make_gatepost, recipient):
    etc = os.path.join(server.directory, "etc")
    before = read_text(os.path.join(etc, "master.cf"))
    assert greets(server.host)
    result = run_command("import", etc)
    assert result.returncode == 0, result
    output = result.stdout.replace("127.0.0.1:10025", f"127.0.0.1:{free_port()}")
    for command in re.findall(r"^#\$ (.*)$", output, re.M):
        shell(command)
    wait_until(lambda: not greets(server.host), "Postfix to leave port 25")

    daemon = make_gatepost("inet:127.0.0.1:1", start=False)
    own = {name: value for name, value in daemon.parameters.items()
           if name not in ("gatepost_listen", "gatepost_backend", "myhostname") and
           name != "smtpd_tls_security_level"}
    with open(daemon.path("gatepost.cf"), "w", encoding="ascii") as file:
        file.write(output + config_text(own))
    assert run_command("-c", daemon.directory, "check").returncode == 0
    daemon.start()
    address = recipient()
    with Client((server.host, 25), "127.0.0.2") as client:
        assert client.greeting.text == "220 mx.gatepost.test ESMTP Postfix"
        assert client.command("MAIL FROM:<>").code == 503  # smtpd_helo_required
        client.ehlo()
        client.starttls()
        client.ehlo()
        client.deliver(address, b"Subject: x\r\n\r\nbehind the gate\r\n")
        client.quit()
    received, ours, _ = split_delivered(server.wait_mail(address))
    assert "(unknown [127.0.0.2])" in received and ours.protection.startswith("(using TLSv1.3")
    daemon.stop()

    back = output.partition("And back: stop gatepost")[2]
    for command in re.findall(r"^#   ((?:cp|postfix) .*)$", back, re.M):
        shell(command)
    assert read_text(os.path.join(etc, "master.cf")) == before
    wait_until(lambda: greets(server.host), "Postfix to be back on port 25")
