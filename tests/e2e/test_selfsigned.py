"""gatepost selfsigned, and what run does where no certificate is configured."""

import os
import ssl
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness import pki
from harness.client import Client, tls_context
from harness.daemon import HOSTNAME, run_command
from harness.table import in_directory, said


def run_selfsigned(directory, *options, name="new.pem"):
    """Runs it, without a configuration; (completed process, path)."""
    path = os.path.join(directory, name)
    return run_command("selfsigned", "--name", "mx.example.com", *options, path), path


def certificates_in(path):
    """The certificates of a file."""
    with open(path, "rb") as file:
        data = file.read()
    return [x509.load_pem_x509_certificate(b"-----BEGIN CERTIFICATE" + part)
            for part in data.split(b"-----BEGIN CERTIFICATE")[1:]]


def names_of(certificate):
    """Its DNS names."""
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("options, kinds", [((), ["ecdsa"]), (("--ecdsa",), ["ecdsa"]),
                                            (("--rsa",), ["rsa"]), (("--both",), ["ecdsa", "rsa"])])
def test_what_is_written(directory, options, kinds):
    result, path = run_selfsigned(directory, *options)
    assert result.returncode == 0, result
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    certificates = certificates_in(path)
    assert len(certificates) == len(kinds)
    for certificate, kind in zip(certificates, kinds):
        key = certificate.public_key()
        if kind == "rsa":
            assert isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
        assert names_of(certificate) == ["mx.example.com"]
        assert certificate.subject == certificate.issuer
        assert certificate.not_valid_before <= pki.NOW
        assert certificate.not_valid_after > pki.NOW + 300 * pki.DAY
        assert certificate.serial_number > 2 ** 32
    result = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-check"], check=False,
                            capture_output=True, text=True)
    assert result.returncode == 0, result


@pytest.mark.parametrize("umask", [0o000, 0o027])
def test_mode_whatever_the_umask(directory, umask):
    path = os.path.join(directory, "new.pem")
    result = run_command("selfsigned", "--name", "mx.example.com", path,
                         preexec_fn=lambda: os.umask(umask))
    assert result.returncode == 0 and stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "empty", "link", "dangling", "directory"])
def test_never_overwrites(directory, kind):
    path, target = os.path.join(directory, "new.pem"), os.path.join(directory, "target")
    if kind == "directory":
        os.mkdir(path)
    elif kind in ("link", "dangling"):
        os.symlink(target, path)
    if kind in ("file", "empty", "link"):
        pki.write(directory, "target" if kind == "link" else "new.pem",
                  b"" if kind == "empty" else b"precious")
    result, _ = run_selfsigned(directory)
    assert result.returncode == 1 and "new.pem" in result.stderr, result
    assert kind != "dangling" or not os.path.exists(target)
    if kind in ("file", "link"):
        with open(path, "rb") as file:
            assert file.read() == b"precious"
    assert set(os.listdir(directory)) <= {"new.pem", "target"}


@pytest.mark.parametrize("name", ["", "two words", "a,DNS:b.example", "x\n", "ü.example", "a" * 300])
def test_names_that_are_none(directory, name):
    path = os.path.join(directory, "new.pem")
    result = run_command("selfsigned", "--name", name, path)
    assert result.returncode in (1, 64), result
    assert not os.path.exists(path)


def test_long_name(directory):
    """Longer than a common name may be."""
    name = ".".join(["label" * 5] * 6) + ".example"
    path = os.path.join(directory, "new.pem")
    assert run_command("selfsigned", "--name", name, path).returncode == 0
    assert names_of(certificates_in(path)[0]) == [name]


def test_name_from_the_configuration(make_gatepost, backend):
    daemon = make_gatepost(backend.endpoint, start=False)
    path = daemon.path("own.pem")
    assert in_directory(daemon, "selfsigned", "--both", path).returncode == 0
    assert [names_of(certificate) for certificate in certificates_in(path)] == [[HOSTNAME]] * 2
    daemon.write_config(smtpd_tls_chain_files=path, smtpd_tls_cert_file="", smtpd_tls_key_file="")
    text = said(in_directory(daemon, "check"))
    assert "error:" not in text and "does not cover" not in text and "RSA" not in text


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("--name",), ("--dsa", "x")])
def test_usage(arguments):
    assert run_command("selfsigned", *arguments).returncode == 64


@pytest.fixture
def bare(make_gatepost, backend):
    """A daemon without a certificate, not started."""
    daemon = make_gatepost(backend.endpoint, start=False, smtpd_tls_cert_file="",
                           smtpd_tls_key_file="")
    os.chmod(daemon.path("state"), 0o777)  # as if it were gatepost_user's
    return daemon


def own_certificate(daemon, ciphers="DEFAULT:@SECLEVEL=0"):
    """What it presents."""
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.starttls(tls_context(maximum=ssl.TLSVersion.TLSv1_2, ciphers=ciphers))
        client.ehlo()
        return client.socket.getpeercert(binary_form=True)


def test_run_without_a_certificate_makes_its_own(bare):
    bare.start()
    shown = x509.load_der_x509_certificate(own_certificate(bare))
    assert names_of(shown) == [HOSTNAME]
    assert isinstance(shown.public_key(), ec.EllipticCurvePublicKey)
    old = x509.load_der_x509_certificate(own_certificate(bare, "aRSA:@SECLEVEL=0"))
    assert isinstance(old.public_key(), rsa.RSAPublicKey)
    path = bare.path("state/selfsigned.pem")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert path in bare.output() and "no certificate is configured" in bare.output()


def test_it_stays_the_same(bare):
    bare.start()
    first = own_certificate(bare)
    bare.stop()
    os.unlink(bare.log_path)
    bare.start()
    assert own_certificate(bare) == first


def test_check_says_what_will_happen(bare):
    result = in_directory(bare, "check")
    assert result.returncode == 0, result
    assert "no certificate is configured" in said(result)
    assert os.listdir(bare.path("state")) == []


def test_level_none_needs_none(bare):
    bare.write_config(smtpd_tls_security_level="none")
    bare.start()
    with Client(bare.address, "127.0.0.2") as client:
        assert "STARTTLS" not in client.ehlo()
    assert set(os.listdir(bare.path("state"))) <= {"control", "ledger"}
