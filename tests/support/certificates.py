"""Certificates for loopback, made anew by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


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
