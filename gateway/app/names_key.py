"""The key that seals names of stored answers, where the configuration brings none: kept in the home, made once.

All workers of a home read the same file, so a name given by one is known to all, also after a restart.
"""

from __future__ import annotations

from pathlib import Path

from gateway.clients.secret_file import secret_in
from gateway.core.stored import KEY_BYTES

FILE = "names.key"


def names_key(home: Path) -> bytes:
    """Read the key, and make it first where there is none.

    Raises:
        Misconfigured: The file holds less than a key.
    """
    return secret_in(home / FILE, KEY_BYTES)
