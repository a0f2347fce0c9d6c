"""Certificates for hosts that we stand in for: an authority that an operator keeps, and leaves made as they are needed.

Programs that are to trust them are given the authority's certificate (``SSL_CERT_FILE``, ``NODE_EXTRA_CA_CERTS``). Its
key never leaves the gateway; keys of leaves live in memory, and for a moment in a file that only we can read.
"""

from __future__ import annotations

import ssl
import tempfile
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Lock

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.clients.tls import server_context
from gateway.core.errors import Misconfigured

AUTHORITY_LIFE = timedelta(days=3650)
# Long enough for a connection that is made now, short enough that nobody keeps one.
LEAF_LIFE = timedelta(days=7)
# Clocks of programs may be behind ours.
SLACK = timedelta(days=1)
# Made anew when so little is left.
RENEW = timedelta(days=2)
MAX_CONTEXTS = 512


class Pair(msgspec.Struct, frozen=True):
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes


def make_authority(name: str, now: datetime) -> Pair:
    """Make an authority that signs leaves and nothing else.

    Args:
        name: As people see it in a list of authorities.
        now: From a day before this moment on it is good, for ten years.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signs = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SLACK)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(made.public_bytes(serialization.Encoding.PEM), _pem(key))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """Signs leaves.

    Args:
        certificate: PEM; of several, the first is the authority's own, and the rest are sent along.
        key: PEM, without a password.

    Raises:
        Misconfigured: They are none, do not belong together, or may not sign.
    """

    def __init__(self, certificate: bytes, key: bytes) -> None:
        try:
            self._chain = x509.load_pem_x509_certificates(certificate)
            found = serialization.load_pem_private_key(key, None)
        except (ValueError, TypeError):
            raise Misconfigured("The authority's certificate or key is no PEM without a password.") from None
        if not isinstance(found, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise Misconfigured("The authority's key is neither of an elliptic curve nor of RSA.")
        self._key = found
        self._own = self._chain[0]
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        of_key = self._key.public_key().public_bytes(serialization.Encoding.DER, public)
        if self._own.public_key().public_bytes(serialization.Encoding.DER, public) != of_key:
            raise Misconfigured("The authority's key does not belong to its certificate.")
        try:
            signs = self._own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            signs = False
        if not signs:
            raise Misconfigured("The authority's certificate may not sign others.")

    @property
    def until(self) -> datetime:
        """When it is over."""
        return self._own.not_valid_after_utc

    def leaf(self, host: str, now: datetime) -> Pair:
        """Make the certificate of a host, with its chain.

        Args:
            host: A name or an address.
            now: The present.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        # A common name may have 64 characters; programs go by what follows.
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])]))
            .issuer_name(self._own.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - SLACK, self._own.not_valid_before_utc))
            .not_valid_after(min(now + LEAF_LIFE, self.until))
            .add_extension(x509.SubjectAlternativeName([_named(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(self._issuer(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (made, *self._chain))
        return Pair(chain, _pem(key))

    def _issuer(self) -> x509.AuthorityKeyIdentifier:
        try:
            own = self._own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            own = x509.SubjectKeyIdentifier.from_public_key(self._own.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _named(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class Contexts:
    """TLS for the hosts that we stand in for: made once each, and again before their certificates are over.

    Args:
        authority: Signs.
        folder: Where a key may lie for the moment in which it is read.
        protocols: What is spoken behind (ALPN), the dearest first.
    """

    def __init__(self, authority: Authority, folder: Path, protocols: tuple[str, ...] = ("http/1.1",)) -> None:
        self._authority = authority
        self._folder = folder
        self._protocols = list(protocols)
        self._made: dict[str, tuple[ssl.SSLContext, datetime]] = {}
        self._making = Lock()

    def find(self, host: str, now: datetime) -> ssl.SSLContext:
        """Give the context of a host. Blocks for some milliseconds where it must be made; any thread may ask.

        Raises:
            Misconfigured: The authority's certificate is over.
        """
        with self._making:
            return self._find(host, now)

    def _find(self, host: str, now: datetime) -> ssl.SSLContext:
        known = self._made.get(host)
        if known is not None and now < known[1]:
            return known[0]
        if now >= self._authority.until:
            raise Misconfigured("The authority's certificate is over; make another with 'weighbridge ca init --force'.")
        context = self._make(self._authority.leaf(host, now))
        while len(self._made) >= MAX_CONTEXTS:
            # A client may name hosts as it likes, below those that are open ended.
            del self._made[next(iter(self._made))]
        self._made[host] = context, min(now + LEAF_LIFE - RENEW, self._authority.until)
        return context

    def _make(self, pair: Pair) -> ssl.SSLContext:
        context = server_context()
        context.set_alpn_protocols(self._protocols)
        # Made with access for us alone; OpenSSL reads files only.
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".leaf-") as held:
            held.write(pair.certificate + pair.key)
            held.flush()
            context.load_cert_chain(held.name)
        return context
