"""Certification authorities and their certificates, good ones and bad ones."""

import datetime
import functools
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.utcnow().replace(microsecond=0)
DAY = datetime.timedelta(days=1)
_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@functools.lru_cache(maxsize=None)
def _rsa_key(bits):
    """Made once: they take long, and nobody minds that they are shared."""
    return rsa.generate_private_key(65537, bits)


def make_key(kind):
    """A private key: "ecdsa" (P-256), "rsa" (2048 bits), or "rsa" with another size."""
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    return _rsa_key(int(kind[3:] or 2048))


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_pem(key):
    """A private key as PEM (PKCS #8, not encrypted)."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Issued:
    """A certificate with its key. issuer is an Authority, None for one that signs itself."""

    def __init__(self, key, certificate, issuer):
        self.key, self.certificate, self.issuer = key, certificate, issuer

    @property
    def key_pem(self):
        """The private key."""
        return key_pem(self.key)

    @property
    def pem(self):
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def chain(self):
        """The certificate and its issuers', without the root."""
        issuer, chain = self.issuer, self.pem
        while issuer and issuer.issuer:
            chain += issuer.pem
            issuer = issuer.issuer
        return chain

    @property
    def chain_file(self):
        """What smtpd_tls_chain_files wants: key, then chain."""
        return self.key_pem + self.chain

    @property
    def der(self):
        """The certificate as it is sent."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self):
        """SHA-256 as Postfix writes it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def key_fingerprint(self):
        """The same of the public key."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
        return digest.finalize().hex(":").upper()


class Authority(Issued):
    """Issues certificates; with an issuer it is an intermediate one."""

    def __init__(self, name, issuer=None, kind="ecdsa", end=NOW + 3650 * DAY):
        key = make_key(kind)
        signer = issuer or self
        self.name = name
        builder = _builder(name, signer.name, key, NOW - 30 * DAY, end).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True)
        certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
        super().__init__(key, certificate, issuer)

    def issue(self, name, kind="ecdsa", names=None, usage="server", start=NOW - DAY,
              end=NOW + 60 * DAY):
        """A certificate for a name; names are the DNS names in it, by default that one."""
        return _issue(name, kind, names, usage, start, end, self)


def self_signed(name, kind="ecdsa", names=None, usage="server", start=NOW - DAY, end=NOW + 60 * DAY):
    """A certificate that only vouches for itself."""
    return _issue(name, kind, names, usage, start, end, None)


def _issue(name, kind, names, usage, start, end, issuer):
    key = make_key(kind)
    builder = _builder(name, issuer.name if issuer else name, key, start, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGES[usage]]), critical=False)
    names = [name] if names is None else names
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(entry) for entry in names]), critical=False)
    return Issued(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()), issuer)


def _builder(name, issuer_name, key, start, end):
    return (x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(issuer_name))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(start).not_valid_after(end))


def write(directory, name, *parts, mode=0o600):
    """Writes PEM into a file of a directory; returns its path."""
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(b"".join(parts))
    os.chmod(path, mode)
    return path
