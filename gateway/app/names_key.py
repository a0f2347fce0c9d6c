"""The key that seals names of stored answers, where the configuration brings none: kept in the home, made once.

All workers of a home read the same file, so a name given by one is known to all, also after a restart.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gateway.core.errors import Misconfigured
from gateway.core.stored import KEY_BYTES

FILE = "names.key"


def names_key(home: Path) -> bytes:
    """Read the key, and make it first where there is none.

    Raises:
        Misconfigured: The file holds less than a key.
    """
    path = home / FILE
    if not path.exists():
        _make(path)
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        raise Misconfigured(f"{path} should hold {KEY_BYTES} random bytes; delete it and a new one is made")
    return key


def _make(path: Path) -> None:
    # Several workers start at once: the first to link its file has made the key, and nobody sees half of one.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    own = Path(name)
    try:
        os.write(handle, os.urandom(KEY_BYTES))
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        path.hardlink_to(own)
    except FileExistsError:
        pass
    finally:
        own.unlink()
