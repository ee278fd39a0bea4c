"""The tools that people use, against gatepost: none has anything to say about STARTTLS itself."""

import os
import re
import shutil
import subprocess

import pytest

from harness.headers import split_delivered
from harness.daemon import HOSTNAME


def run_tool(*arguments, stdin="", timeout=60):
    """Runs a tool; its output, both streams."""
    tool = shutil.which(arguments[0], path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert tool, f"{arguments[0]} is not installed (packaging/install-deps test)"
    result = subprocess.run([tool, *map(str, arguments[1:])], input=stdin, text=True,
                            errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=timeout, check=False)
    return result.returncode, result.stdout


@pytest.mark.parametrize("version", ["1", "1_1", "1_2", "1_3"])
def test_openssl(gatepost, certificates, version):
    status, output = run_tool(
        "openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{gatepost.port}",
        "-tls" + version, "-cipher", "DEFAULT@SECLEVEL=0", "-CAfile", certificates["ecdsa"].cert,
        "-crlf", stdin="QUIT\n")
    assert status == 0, output
    assert "Verify return code: 0 (ok)" in output
    assert f"{HOSTNAME}" in output


def test_openssl_tells_what_gatepost_logs(gatepost):
    _, output = run_tool("openssl", "s_client", "-starttls", "smtp", "-connect",
                         f"127.0.0.1:{gatepost.port}", "-tls1_3", "-groups", "P-384",
                         stdin="QUIT\n")
    cipher = re.search(r"^New, (TLSv1\.3), Cipher is (\S+)$", output, re.M)
    digest = re.search(r"^Peer signing digest: (\S+)$", output, re.M)[1]
    assert re.search(r"^Peer signature type: ECDSA$", output, re.M)
    assert "Server Temp Key: ECDH, secp384r1, 384 bits" in output
    gatepost.wait_log(rf"{cipher[1]} with cipher {cipher[2]} \(\d+/\d+ bits\) "
                      rf"key-exchange secp384r1 server-signature ECDSA \(prime256v1\) "
                      rf"server-digest {digest}$")


def test_gnutls(gatepost, certificates):
    status, output = run_tool(
        "gnutls-cli", "--starttls-proto=smtp", "--x509cafile", certificates["ecdsa"].cert,
        "--sni-hostname", HOSTNAME, "--verify-hostname", HOSTNAME, "-p", gatepost.port, "127.0.0.1",
        stdin="EHLO x.example\r\nQUIT\r\n")
    assert status == 0, output
    assert "Handshake was completed" in output


def test_swaks(gatepost, postfix, recipient):
    address = recipient()
    status, output = run_tool(
        "swaks", "--server", f"127.0.0.1:{gatepost.port}", "--local-interface", "127.0.0.2", "--tls",
        "--helo", "swaks.example", "--from", "s@swaks.example", "--to", address, "--body",
        "through the gate")
    assert status == 0, output
    assert "TLS started with cipher" in output
    received, ours, content = split_delivered(postfix.wait_mail(address))
    assert "from swaks.example (unknown [127.0.0.2])" in received
    assert ours.helo == "swaks.example" and ours.protection.startswith("(using TLSv1.3 ")
    assert b"through the gate" in content


def test_posttls_finger(gatepost):
    status, output = run_tool("posttls-finger", "-c", "-lmay", "-Lsummary",
                              f"[127.0.0.1]:{gatepost.port}")
    assert status == 0, output
    assert "TLS connection established to 127.0.0.1[127.0.0.1]" in output


def test_postfix_as_a_client(gatepost, postfix, recipient, directory):
    """smtp-source stands for a sender that pipelines nothing and opens many sessions."""
    address = recipient()
    status, output = run_tool("smtp-source", "-s", "5", "-m", "20", "-l", "3000", "-t", address,
                              f"inet:127.0.0.1:{gatepost.port}")
    assert status == 0, output
    postfix.wait_mail(address)


def test_sslscan(gatepost):
    status, output = run_tool("sslscan", "--starttls-smtp", "--no-colour", "--no-heartbleed",
                              f"127.0.0.1:{gatepost.port}")
    assert status == 0, output
    assert not re.search(r"(?i)error|could not|failed", output), output
    for version in ("1.0", "1.1", "1.2", "1.3"):
        assert re.search(rf"^TLSv{version}\s+enabled$", output, re.M), output
    assert "SSLv3     disabled" in output
    assert re.search(rf"^Subject:\s+{HOSTNAME}", output, re.M)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_testssl(gatepost):
    status, output = run_tool(
        "testssl", "--starttls", "smtp", "--color", "0", "--quiet", "--warnings", "off", "--ip",
        "127.0.0.1", "--protocols", "--std", "--fs", "--server-preference", "--vulnerable",
        f"127.0.0.1:{gatepost.port}", timeout=590)
    assert "doesn't support STARTTLS" not in output and "STARTTLS handshake failed" not in output
    assert "Oops" not in output and "Fatal error" not in output, output
    assert re.search(r"TLS 1\.3\s+offered \(OK\)", output), output
    assert re.search(r"SSLv3\s+not offered \(OK\)", output), output
    assert not re.search(r"VULNERABLE \(NOT ok\)", output), output
    assert status < 240, output
