"""Self-signed certificates, made by openssl(1)."""

import os
import subprocess
from dataclasses import dataclass

_KEY_TYPES = {
    "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    "rsa": ["-newkey", "rsa:2048"],
}


@dataclass(frozen=True)
class Certificate:
    """Paths of a certificate and its key, and Postfix's name for its TLS 1.3 signature."""

    cert: str
    key: str
    signature: str


_SIGNATURES = {"ecdsa": "ECDSA (prime256v1)", "rsa": "RSA-PSS (2048 bits)"}


def make_certificate(directory, kind, name):
    """Makes kind "ecdsa" (P-256) or "rsa" (2048 bits) for a host name."""
    cert = os.path.join(directory, kind + "-cert.pem")
    key = os.path.join(directory, kind + "-key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "30", *_KEY_TYPES[kind],
         "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name,
         "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    os.chmod(key, 0o600)
    return Certificate(cert, key, _SIGNATURES[kind])
