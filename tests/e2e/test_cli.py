"""The command line: what an operator types, and what it tells."""

import os
import re
import subprocess

import pytest

from harness.daemon import run_command
from harness.ports import free_port


@pytest.fixture
def configured(make_gatepost, backend):
    """A daemon that is not started: its directory has a good configuration."""
    return make_gatepost(backend.endpoint, start=False)


def run_in(daemon, *arguments, **options):
    """gatepost -c DIRECTORY ARGUMENTS."""
    return run_command("-c", daemon.directory, *arguments, **options)


def write_raw(daemon, data):
    """Puts bytes behind the good configuration."""
    with open(daemon.path("gatepost.cf"), "ab") as file:
        file.write(data)


def check_no_crash(result):
    """It ended by itself, and no sanitizer complained."""
    assert result.returncode in (0, 1, 64, 78), result
    assert "Sanitizer" not in result.stderr and "runtime error" not in result.stderr


def test_check_of_a_good_configuration(configured):
    result = run_in(configured, "check")
    assert result.returncode == 0, result
    assert "error:" not in result.stdout + result.stderr


def test_config_prints_like_postconf(configured):
    result = run_in(configured, "config", "-n")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines == sorted(lines)
    assert "myhostname = front.gatepost.test" in lines
    assert "smtpd_tls_loglevel = 1" in lines
    assert not any(line.startswith("smtpd_banner") for line in lines)
    everything = run_in(configured, "config").stdout.splitlines()
    assert set(lines) < set(everything)
    assert "smtpd_banner = $myhostname ESMTP $mail_name" in everything


def test_config_of_single_parameters(configured):
    result = run_in(configured, "config", "smtpd_tls_loglevel", "smtpd_tls_auth_only")
    assert result.stdout.splitlines() == ["smtpd_tls_loglevel = 1", "smtpd_tls_auth_only = no"]
    result = run_in(configured, "config", "no_such_thing")
    assert "no_such_thing: unknown parameter" in result.stderr


def test_config_defaults(configured):
    result = run_in(configured, "config", "-d", "smtpd_tls_loglevel", "gatepost_backend")
    assert result.stdout.splitlines() == ["smtpd_tls_loglevel = 0",
                                          "gatepost_backend = inet:127.0.0.1:10025"]


def test_override_on_the_command_line(configured):
    result = run_command("-c", configured.directory, "-o", "smtpd_tls_loglevel=2", "-o",
                         "smtpd_banner = $myhostname hello", "config", "smtpd_tls_loglevel",
                         "smtpd_banner")
    assert result.stdout.splitlines() == ["smtpd_tls_loglevel = 2",
                                          "smtpd_banner = $myhostname hello"]


def test_override_for_the_daemon(configured, connect):
    port = free_port()
    configured.process = subprocess.Popen(
        [os.environ["GATEPOST"], "-c", configured.directory, "-o", "smtpd_banner=hello ESMTP",
         "-o", f"gatepost_listen=127.0.0.1:{port}", "run"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True)
    configured.wait_log("daemon started")
    assert connect(configured, address=("127.0.0.1", port)).greeting.text == "220 hello ESMTP"


@pytest.mark.parametrize("arguments", [(), ("frobnicate",), ("-x", "check"), ("-c",), ("-o", "check"),
                                       ("-o", "novalue", "check"), ("check", "too", "much"),
                                       ("run", "x"), ("config", "-z")])
def test_usage(arguments):
    result = run_command(*arguments)
    assert result.returncode == 64, result
    assert "usage: gatepost" in result.stderr.lower() or "gatepost" in result.stderr
    check_no_crash(result)


ERRORS = {
    "no equals sign": (b"smtpd_tls_loglevel 1\n", "missing '='"),
    "no name": (b"= 1\n", "missing attribute name"),
    "bool": (b"smtpd_tls_auth_only = 1\n", "smtpd_tls_auth_only"),
    "int": (b"line_length_limit = many\n", "line_length_limit"),
    "int range": (b"line_length_limit = -5\n", "line_length_limit"),
    "int overflow": (b"line_length_limit = 99999999999999999999\n", "line_length_limit"),
    "time": (b"smtpd_timeout = soon\n", "smtpd_timeout"),
    "time unit": (b"smtpd_timeout = 5y\n", "smtpd_timeout"),
    "time overflow": (b"smtpd_timeout = 99999999999999w\n", "smtpd_timeout"),
    "word": (b"gatepost_backend_protocol = proxy3\n", "proxy2"),
    "bare newline": (b"smtpd_forbid_bare_newline = maybe\n", "smtpd_forbid_bare_newline"),
    "level": (b"smtpd_tls_security_level = dane\n", "smtpd_tls_security_level"),
    "protocols": (b"smtpd_tls_protocols = TLSv1.4\n", "smtpd_tls_protocols"),
    "no protocol left": (b"smtpd_tls_protocols = !TLSv1 !TLSv1.1 !TLSv1.2 !TLSv1.3\n",
                         "smtpd_tls_protocols"),
    "backend": (b"gatepost_backend = nowhere\n", "gatepost_backend"),
    "missing certificate": (b"smtpd_tls_cert_file = /nonexistent/cert.pem\n",
                            "/nonexistent/cert.pem"),
    "recursion": (b"a = $b\nb = $a\nsmtpd_banner = $a\n", "used in its own value"),
    "self recursion": (b"smtpd_banner = x $smtpd_banner\n", "used in its own value"),
    "unbalanced": (b"smtpd_banner = ${myhostname\n", "smtpd_banner|brace|truncated|unbalanced"),
    "none on this host": (b"gatepost_backend_protocol = none\n", "open relay"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(configured, name):
    data, pattern = ERRORS[name]
    write_raw(configured, data)
    result = run_in(configured, "check")
    check_no_crash(result)
    assert result.returncode == 1
    assert re.search(pattern, result.stdout + result.stderr)
    result = run_in(configured, "run")
    check_no_crash(result)
    assert result.returncode == 78
    assert re.search(pattern, result.stdout + result.stderr + configured.log())


def test_all_errors_at_once(configured):
    lines = len(configured.parameters)
    write_raw(configured, b"smtpd_tls_auth_only = 1\nline_length_limit = x\n")
    result = run_in(configured, "check")
    output = result.stdout + result.stderr
    assert "smtpd_tls_auth_only" in output and "line_length_limit" in output
    assert re.search(rf"gatepost\.cf, line {lines + 1}\b", output), output


def test_unknown_name_has_a_suggestion(configured):
    write_raw(configured, b"smtpd_tls_loglevl = 1\nsmtpd_tls_CApth = /etc/ssl\n")
    result = run_in(configured, "check")
    assert result.returncode == 0
    output = result.stdout + result.stderr
    assert "smtpd_tls_loglevl" in output and re.search(r"smtpd_tls_loglevel\b", output)
    assert re.search(r"smtpd_tls_CApath\b", output)


def test_key_that_does_not_fit(configured, certificates):
    configured.write_config(smtpd_tls_key_file=certificates["rsa"].key)
    result = run_in(configured, "check")
    assert result.returncode == 1
    assert certificates["rsa"].key in result.stdout + result.stderr


@pytest.mark.parametrize("content", [b"", b"\0", b"smtpd_banner = x\0y\n", b"x = " + b"y" * 1_000_000,
                                     b"y" * 1_000_000, b"smtpd_banner = " + b"$a" * 500_000,
                                     b"\xff\xfe\x00", b"a=" + b"${a?" * 20_000, b" indented\n",
                                     b"\n" * 100_000, b"a = b\n\tc\n" * 50_000],
                         ids=lambda content: repr(content[:12]))
def test_strange_files(configured, content):
    write_raw(configured, content)
    for command in ("check", "config"):
        check_no_crash(run_in(configured, command))


def test_files_that_cannot_be_read(configured, directory):
    path = configured.path("gatepost.cf")
    os.unlink(path)
    for _ in range(2):
        for command in ("run", "config", "check"):
            result = run_in(configured, command)
            check_no_crash(result)
            assert result.returncode == 78 or command == "check" and result.returncode == 1
            assert "gatepost.cf" in result.stderr + result.stdout
        os.makedirs(path, exist_ok=True)  # the second time: a directory in place of the file
    result = run_command("-c", directory + "/missing", "run")
    assert result.returncode == 78 and "missing" in result.stderr


def test_check_asks_the_backend(make_gatepost, postfix):
    good = make_gatepost(postfix.proxy_endpoint, start=False)
    assert run_in(good, "check").returncode == 0
    plain = make_gatepost(postfix.plain_endpoint, start=False)
    result = run_in(plain, "check")
    assert result.returncode == 1
    assert "smtpd_upstream_proxy_protocol=haproxy" in result.stdout + result.stderr
    absent = make_gatepost(f"inet:127.0.0.1:{free_port()}", start=False)
    result = run_in(absent, "check")
    assert "Connection refused" in result.stdout + result.stderr


def test_status_and_stop(make_gatepost, backend, connect):
    daemon = make_gatepost(backend.endpoint)
    result = run_in(daemon, "status")
    assert result.returncode == 0
    assert str(daemon.process.pid) in result.stdout
    assert run_in(daemon, "stop").returncode == 0
    daemon.wait()
    result = run_in(daemon, "status")
    assert result.returncode == 1
    assert run_in(daemon, "stop").returncode == 1
