"""Random bytes in a file of the data home, drawn by whoever needs them first."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gateway.core.errors import Misconfigured


def secret_in(path: Path, size: int) -> bytes:
    """Read the bytes, and draw them first where there are none. Blocks on the disk.

    Raises:
        Misconfigured: The file holds less.
    """
    if not path.exists():
        _make(path, size)
    secret = path.read_bytes()
    if len(secret) < size:
        raise Misconfigured(f"{path} should hold {size} random bytes; delete it and a new one is made")
    return secret


def _make(path: Path, size: int) -> None:
    # Several processes start at once: the first to link its file has made the secret, and nobody sees half of one.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    own = Path(name)
    try:
        os.write(handle, os.urandom(size))
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        path.hardlink_to(own)
    except FileExistsError:
        pass
    finally:
        own.unlink()
