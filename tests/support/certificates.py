"""Certificates for loopback, made anew by openssl; and those of workloads in a mesh."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.clients.certificates import Pair, make_authority


def certify(folder: Path, name: str = "tls") -> tuple[Path, Path]:
    """Make a self-signed certificate for localhost and its key; replaces those of the same name.

    Returns:
        The certificate's file and the key's.
    """
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    new = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*new, "-days", "2", *names, "-out", cert, "-keyout", key], check=True, capture_output=True)
    return cert, key


def make_authority_files(folder: Path) -> tuple[Pair, Path]:
    """Make an authority; gives it and the file of its certificate."""
    made = make_authority("Test", datetime.now(UTC))
    path = folder / "authority.pem"
    path.write_bytes(made.certificate)
    return made, path


def leaf(authority: Pair, folder: Path, name: str, *uris: str, hosts: tuple[str, ...] = ()) -> tuple[Path, Path]:
    """Make a certificate with names of its own choice, as a mesh gives workloads; gives its file and the key's."""
    signer = x509.load_pem_x509_certificate(authority.certificate)
    by, key = serialization.load_pem_private_key(authority.key, None), ec.generate_private_key(ec.SECP256R1())
    assert isinstance(by, ec.EllipticCurvePrivateKey)
    now, said = datetime.now(UTC), x509.NameAttribute(NameOID.COMMON_NAME, name)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(each) for each in uris]
    names += [x509.DNSName(each) for each in hosts]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([said]))
        .issuer_name(signer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(by, hashes.SHA256())
    )
    stem = "".join(letter for letter in name if letter.isalnum())
    cert, secret = folder / f"{stem}.pem", folder / f"{stem}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return cert, secret
